// Codes of ggml's block formats, and F16 and BF16, which are blocks of one.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "harness/instruments/quant_diff_codes_choice.hpp"
#include "harness/instruments/quant_diff_faults.hpp"
#include "kernels/ggml_bound.hpp"
#include "kernels/ggml_grid.hpp"

namespace refute::instruments {
namespace {

using namespace kernels;
using Values = std::span<const float>;
using Bytes = std::vector<std::uint8_t>;

/// Least and largest x, and largest |x − y|, of a few values.
struct Spread {
  float low, high, most;
};

/// `count` is a multiple of 8. Lane by lane, so that a compiler can use vectors without changing
/// what comes out.
Spread spread_of(const float* x, const float* y, std::size_t count) {
  constexpr std::size_t kLanes = 8;
  std::array<float, kLanes> low, high, most;
  low.fill(x[0]);
  high.fill(x[0]);
  most.fill(0);
  for (std::size_t i = 0; i < count; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const float v = x[i + j], d = std::fabs(v - y[i + j]);
      low[j] = v < low[j] ? v : low[j];
      high[j] = v > high[j] ? v : high[j];
      most[j] = d > most[j] ? d : most[j];
    }
  }
  return {*std::ranges::min_element(low), *std::ranges::max_element(high),
          *std::ranges::max_element(most)};
}

/// The bound of a block is at least this, whatever else it holds; see ggml_block_bound. Most blocks
/// stay below, and need no more.
float least_bound(GgmlFormat format, std::span<const Spread> parts) {
  float low = 0, high = 0, range = 0, least = parts[0].low, most = parts[0].high;
  for (const Spread& part : parts) {
    low = std::min(low, part.low);
    high = std::max(high, part.high);
    least = std::min(least, part.low);
    most = std::max(most, part.high);
    range = std::max(range, part.high - std::min(0.0f, part.low));
  }
  const float peak = std::max(-low, high);
  switch (format) {
    case GgmlFormat::q4_0:
      return peak / 16;
    case GgmlFormat::q5_0:
      return peak / 32;
    case GgmlFormat::q8_0:
      return peak / 254;
    case GgmlFormat::q4_1:
      return (most - least) / 30;
    case GgmlFormat::q5_1:
      return (most - least) / 62;
    case GgmlFormat::q2_k:
      return range / 3;
    case GgmlFormat::q4_k:
      return range / 15;
    case GgmlFormat::q5_k:
      return range / 31;
    case GgmlFormat::q3_k:
      return peak / 4;
    case GgmlFormat::q6_k:
      return peak / 32;
    case GgmlFormat::iq4_nl:
      return peak / 127;
    case GgmlFormat::mxfp4:
      return peak / 8;
    case GgmlFormat::f16:
    case GgmlFormat::bf16:
      return 0;
  }
  return 0;
}

/// Formats whose reference quantiser is fast enough to run beside the reading.
bool requantises(GgmlFormat format) {
  switch (format) {
    case GgmlFormat::q2_k:
    case GgmlFormat::q3_k:
    case GgmlFormat::q4_k:
    case GgmlFormat::q5_k:
    case GgmlFormat::q6_k:
      return false;
    case GgmlFormat::f16:
    case GgmlFormat::bf16:
    case GgmlFormat::q4_0:
    case GgmlFormat::q4_1:
    case GgmlFormat::q5_0:
    case GgmlFormat::q5_1:
    case GgmlFormat::q8_0:
    case GgmlFormat::iq4_nl:
    case GgmlFormat::mxfp4:
      return true;
  }
  return true;
}

/// One block under examination.
struct Block {
  GgmlFormat format;
  std::size_t number;  ///< in the tensor
  const std::uint8_t* stored;
  Values x, y;

  CodeFault fault(std::size_t element, float limit) const {
    return {.index = number * x.size() + element,
            .block = number,
            .element = element,
            .reference = x[element],
            .value = y[element],
            .error = std::fabs(x[element] - y[element]),
            .limit = limit};
  }
};

std::size_t furthest(Values a, Values b) {
  std::size_t most = 0;
  for (std::size_t i = 1; i < a.size(); ++i) {
    if (std::fabs(a[i] - b[i]) > std::fabs(a[most] - b[most])) most = i;
  }
  return most;
}

StoredSums sums_of(Values x, Values y) {
  StoredSums sums;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i], w = y[i];
    sums.d2 += (v - w) * (v - w);
    sums.xy += v * w;
    sums.y2 += w * w;
  }
  return sums;
}

bool same_scale(const Block& block, const std::uint8_t* again) {
  return std::memcmp(again, block.stored, scale_bytes(block.format)) == 0;
}

/// Against what the reference quantiser makes of the block; equal values under other codes (all
/// zeros, say) are no difference, nor is the other side of a tie.
void check_requantised(const Block& block, const std::uint8_t* again, CodeCheck& check) {
  std::array<float, 256> values;
  const auto mine = std::span(values).first(block.x.size());
  const auto& info = ggml_info(block.format);
  (void)cpu_simd::ggml_dequantize(block.format, {again, info.block_bytes}, mine);
  if (std::ranges::equal(mine, block.y)) return;
  const bool has_one_scale = scale_bytes(block.format) != 0 || block.x.size() == 1;
  const bool same = same_scale(block, again);
  if (!same) {
    check.stored.add(sums_of(block.x, block.y));
    check.again.add(sums_of(block.x, mine));
  }
  if (has_one_scale && same && only_ties(block.format, block.stored, block.x, block.y, mine))
    return;
  const std::size_t element = furthest(mine, block.y);
  note_differing(check, block.fault(element, std::fabs(block.x[element] - mine[element])));
}

void check_bound(const Block& block, CodeCheck& check) {
  const float bound = ggml_block_bound(block.format, block.x);
  const std::size_t worst = furthest(block.x, block.y);
  const CodeFault fault = block.fault(worst, bound);
  if (!(fault.error <= bound)) note_over_bound(check, fault);
}

/// The arithmetic of choosing a code rounds a little.
float arithmetic(float x, float step) {
  return std::fabs(x) * 0x1p-20f + step * 0x1p-14f;
}

void check_grid(const Block& block, const GgmlGrid& grid, std::size_t begin, std::size_t count,
                CodeCheck& check) {
  if (!(grid.step > 0)) return;
  const float half = 0.5f * grid.step;
  for (std::size_t i = begin; i < begin + count; ++i) {
    const float x = block.x[i], y = block.y[i], d = x - y;
    const bool at_the_end = d > 0 ? y > grid.high - half : y < grid.low + half;
    if (std::fabs(d) <= half || at_the_end) continue;
    const float code = std::fabs(y - grid.zero) / grid.step;
    const float limit = half + code * grid.slack_per_code + grid.slack + arithmetic(x, grid.step);
    if (!(std::fabs(d) <= limit)) note_not_nearest(check, block.fault(i, limit));
  }
}

void check_levels(const Block& block, CodeCheck& check) {
  const auto levels = ggml_levels(block.format, block.stored);
  const float unit = (levels.back() - levels.front()) / 240;
  for (std::size_t i = 0; i < block.x.size(); ++i) {
    const float beyond = beyond_middle(levels, block.x[i], block.y[i]);
    const float slack = std::fabs(block.y[i]) * 0x1p-10f + arithmetic(block.x[i], unit);
    if (beyond <= slack) continue;
    const float error = std::fabs(block.x[i] - block.y[i]);
    note_not_nearest(check, block.fault(i, std::max(0.0f, error - beyond + slack)));
  }
}

void check_block(const Block& block, CodeCheck& check) {
  if (ggml_has_levels(block.format)) {
    check_bound(block, check);
    check_levels(block, check);
    return;
  }
  const GgmlGrids grids = ggml_grids(block.format, block.stored);
  std::array<Spread, kMostGgmlGrids> spreads = {};
  float most = 0;
  for (std::size_t g = 0; g < grids.count; ++g) {
    const std::size_t at = g * grids.values;
    spreads[g] = spread_of(&block.x[at], &block.y[at], grids.values);
    most = std::max(most, spreads[g].most);
    if (spreads[g].most > 0.5f * grids.grid[g].step)
      check_grid(block, grids.grid[g], at, grids.values, check);
  }
  if (!(most <= least_bound(block.format, std::span(spreads).first(grids.count))))
    check_bound(block, check);
}

/// A block under a scale of its own. Its codes are right if one scale nearby explains all of them,
/// and then the bound, which is that of the reference's scale, says nothing against it.
void excuse_choice(const Block& block, CodeCheck& found) {
  found.other_scales = 1;
  if (found.not_nearest != 0) {
    if (!one_scale_explains(block.format, block.stored, block.x, block.y)) return;
    found.refitted = 1;
    found.not_nearest = 0;
    found.worst_not_nearest.reset();
  }
  std::swap(found.over_bound, found.over_by_choice);
  std::swap(found.worst_over_bound, found.worst_over_by_choice);
}

}  // namespace

bool wants_thorough_check(const tensor::TensorType& type) {
  const auto* format = std::get_if<GgmlFormat>(&type);
  return format && !requantises(*format);
}

CodeCheck check_ggml_blocks(const tensor::ModelTensor& other, GgmlFormat format, std::size_t first,
                            Values x, Values y, bool thorough) {
  const auto& info = ggml_info(format);
  const std::size_t blocks = x.size() / info.block_size, begin = first / info.block_size;
  const auto* stored =
      reinterpret_cast<const std::uint8_t*>(other.bytes.data()) + begin * info.block_bytes;
  CodeCheck check{.blocks = blocks, .elements = x.size()};
  Bytes again;
  if (thorough || requantises(format)) {
    again.resize(blocks * info.block_bytes);
    (void)cpu_simd::ggml_quantize(format, x, again);
    check.requantised = blocks;
    if (std::memcmp(again.data(), stored, again.size()) == 0) return check;
  }
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t at = b * info.block_bytes;
    if (!again.empty() && std::memcmp(&again[at], stored + at, info.block_bytes) == 0) continue;
    const Block block{.format = format,
                      .number = begin + b,
                      .stored = stored + at,
                      .x = x.subspan(b * info.block_size, info.block_size),
                      .y = y.subspan(b * info.block_size, info.block_size)};
    if (!again.empty()) check_requantised(block, &again[at], check);
    CodeCheck found;
    check_block(block, found);
    if (!again.empty() && !same_scale(block, &again[at])) excuse_choice(block, found);
    found.blocks_not_nearest = found.not_nearest != 0;
    check.add(found);
  }
  return check;
}

CodeCheck check_narrow_floats(const tensor::ModelTensor& other, tensor::DType type,
                              std::size_t first, Values x, Values y) {
  const GgmlFormat format = type == tensor::DType::f16 ? GgmlFormat::f16 : GgmlFormat::bf16;
  const auto* stored = reinterpret_cast<const std::uint8_t*>(other.bytes.data()) + 2 * first;
  CodeCheck check{.blocks = x.size(), .elements = x.size(), .requantised = x.size()};
  Bytes again(2 * x.size());
  (void)cpu_simd::ggml_quantize(format, x, again);
  if (std::memcmp(again.data(), stored, again.size()) == 0) return check;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::memcmp(&again[2 * i], stored + 2 * i, 2) == 0) continue;
    const Block block{.format = format,
                      .number = first + i,
                      .stored = stored + 2 * i,
                      .x = x.subspan(i, 1),
                      .y = y.subspan(i, 1)};
    check_requantised(block, &again[2 * i], check);
    check_bound(block, check);
  }
  return check;
}

}  // namespace refute::instruments
