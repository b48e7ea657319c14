// NF4 codes under their absmax.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "harness/instruments/quant_diff_faults.hpp"
#include "kernels/nf4.hpp"

namespace refute::instruments {
namespace {

using Values = std::span<const float>;

/// Largest |x| and largest |x − y|, lane by lane, so that a compiler can use vectors without
/// changing what comes out.
struct Largest {
  float value, error;
};

Largest largest_of(Values x, Values y) {
  constexpr std::size_t kLanes = 8;
  std::array<float, kLanes> value = {}, error = {};
  const auto take = [&](std::size_t i, std::size_t lane) {
    const float v = std::fabs(x[i]), d = std::fabs(x[i] - y[i]);
    value[lane] = v > value[lane] ? v : value[lane];
    error[lane] = d > error[lane] ? d : error[lane];
  };
  const std::size_t whole = x.size() - x.size() % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) take(i + lane, lane);
  }
  for (std::size_t i = whole; i < x.size(); ++i) take(i, i - whole);
  return {*std::ranges::max_element(value), *std::ranges::max_element(error)};
}

std::size_t furthest(Values x, Values y) {
  float most = -1;
  std::size_t where = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float error = std::fabs(x[i] - y[i]);
    if (error > most) most = error, where = i;
  }
  return where;
}

/// Half of the widest gap between two values of the table.
float half_gap(Values table) {
  float widest = 0;
  for (std::size_t i = 1; i < table.size(); ++i) widest = std::max(widest, table[i] - table[i - 1]);
  return 0.5f * widest;
}

/// Between which quotients x/absmax a code is the nearest one, open at the table's ends.
struct Cells {
  std::array<float, 16> low, high;

  Cells(Values codebook, Values sorted) {
    constexpr float kOpen = std::numeric_limits<float>::infinity();
    for (std::size_t c = 0; c < 16; ++c) {
      const auto [begin, end] = std::ranges::equal_range(sorted, codebook[c]);
      low[c] = begin == sorted.begin() ? -kOpen : 0.5f * (codebook[c] + *(begin - 1));
      high[c] = end == sorted.end() ? kOpen : 0.5f * (codebook[c] + *end);
    }
  }
};

/// One block under examination.
struct Block {
  std::size_t first, number;  ///< of its values in the tensor, and its own number
  Values x, y;
  Largest largest;
  float stored;  ///< the absmax in the file

  CodeFault fault(std::size_t element, float limit) const {
    return {.index = first + element,
            .block = number,
            .element = element,
            .reference = x[element],
            .value = y[element],
            .error = std::fabs(x[element] - y[element]),
            .limit = limit};
  }
};

void check_bound(const Block& block, float gap, CodeCheck& check) {
  const float limit = gap * block.largest.value * (1.0f + 0x1p-18f);
  if (block.largest.error <= limit) return;
  const std::size_t worst = furthest(block.x, block.y);
  const CodeFault fault = block.fault(worst, limit);
  if (!(fault.error <= limit)) note_over_bound(check, fault);
}

/// The first value of a byte is in its high nibble.
void check_nearest(const Block& block, const Cells& cells, const std::uint8_t* codes,
                   CodeCheck& check) {
  constexpr float kSlack = 0x1p-18f;
  const float inverse = 1 / block.stored;
  const bool ordinary = std::isfinite(inverse);
  for (std::size_t i = 0; i < block.x.size(); ++i) {
    const std::size_t at = block.first + i;
    const std::uint8_t code = codes[at / 2] >> (at % 2 == 0 ? 4 : 0) & 15;
    const float quotient = ordinary ? block.x[i] * inverse : block.x[i] / block.stored;
    if (quotient > cells.low[code] && quotient < cells.high[code]) continue;
    const float beyond = std::max(cells.low[code] - quotient, quotient - cells.high[code]);
    if (beyond <= kSlack) continue;
    const float error = std::fabs(block.x[i] - block.y[i]);
    const float limit = error - (beyond - kSlack) * block.stored;
    note_not_nearest(check, block.fault(i, std::max(0.0f, limit)));
  }
}

/// What quantising the values again gives, of which most blocks of a healthy tensor are a copy.
/// Nothing where the table or the block is not the usual one.
class Again {
 public:
  Again(const tensor::ModelTensor& other, std::size_t block, Values x) {
    if (block != kernels::kNf4Block || x.size() % block != 0 ||
        !std::ranges::equal(other.codebook, kernels::kNf4Codebook))
      return;
    codes_.resize(x.size());
    absmax_.resize(x.size() / block);
    const auto done = kernels::cpu_simd::nf4_quantize(
        x, 1, x.size(), kernels::Nf4Decision::thresholds, codes_, absmax_);
    usable_ = done.status == kernels::Nf4Status::ok;
  }

  bool same(const Block& block, std::size_t at, const std::uint8_t* packed) const {
    if (!usable_ || absmax_[at / kernels::kNf4Block] != block.stored) return false;
    const std::uint8_t* stored = packed + block.first / 2;
    std::uint8_t differs = 0;
    for (std::size_t i = 0; i < kernels::kNf4Block; i += 2) {
      const auto pair = static_cast<std::uint8_t>(codes_[at + i] << 4 | codes_[at + i + 1]);
      differs = static_cast<std::uint8_t>(differs | (pair ^ stored[i / 2]));
    }
    return differs == 0;
  }

 private:
  std::vector<std::uint8_t> codes_;
  std::vector<float> absmax_;
  bool usable_ = false;
};

}  // namespace

CodeCheck check_nf4(const tensor::ModelTensor& other, std::size_t block, std::size_t first,
                    Values x, Values y) {
  std::vector<float> table = other.codebook;
  std::ranges::sort(table);
  const float gap = half_gap(table);
  const Cells cells(other.codebook, table);
  const auto* codes = reinterpret_cast<const std::uint8_t*>(other.bytes.data());
  const Again again(other, block, x);
  CodeCheck check{.elements = x.size()};
  for (std::size_t at = 0; at < x.size(); at += block) {
    const std::size_t count = std::min(block, x.size() - at);
    Block b{.first = first + at,
            .number = (first + at) / block,
            .x = x.subspan(at, count),
            .y = y.subspan(at, count),
            .largest = {},
            .stored = companion_value(other.scales, (first + at) / block)};
    ++check.blocks;
    if (again.same(b, at, codes)) continue;
    b.largest = largest_of(b.x, b.y);
    check_bound(b, gap, check);
    const std::uint64_t before = check.not_nearest;
    if (b.stored > 0) check_nearest(b, cells, codes, check);
    check.blocks_not_nearest += check.not_nearest != before;
  }
  return check;
}

}  // namespace refute::instruments
