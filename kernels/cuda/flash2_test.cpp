// flash2's own code, run on the host by an emulated block, against the f64 oracle; and its index
// arithmetic.

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "fixtures/oracles/attention_oracle.hpp"
#include "harness/catch.hpp"
#include "kernels/attention.hpp"
#include "kernels/cuda/emulated_ops_test.hpp"
#include "kernels/cuda/flash2_block.cuh"

namespace refute::kernels::cuda {
namespace {

/// About N(0, 1): the sum of twelve uniform numbers, from a fixed generator.
struct Source {
  std::uint64_t state;
  float operator()() {
    float sum = -6;
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      sum += static_cast<float>(state >> 40) * 0x1p-24f;
    }
    return sum;
  }
};

template <class T>
struct Problem {
  Flash2Shape shape;
  float scale = 0;
  std::vector<T> q, k, v;

  std::uint32_t pairs() const { return shape.batch * shape.heads_kv; }
};

template <class T>
Problem<T> problem(const Flash2Shape& s, std::uint64_t seed = 7) {
  Source source{seed};
  Problem<T> p{s, 1.0f / std::sqrt(static_cast<float>(s.head_dim)), {}, {}, {}};
  p.q.resize(std::size_t{s.batch} * s.heads_q * s.seq_q * s.head_dim);
  p.k.resize(std::size_t{s.batch} * s.heads_kv * s.seq_kv * s.head_dim);
  p.v.resize(p.k.size());
  for (auto* x : {&p.q, &p.k, &p.v}) {
    for (T& value : *x) value = from_float<T>(source());
  }
  return p;
}

template <class T>
const std::uint16_t* bits(const std::vector<T>& x) {
  return reinterpret_cast<const std::uint16_t*>(x.data());
}

template <class T>
EmulatedBlock::Range range_of(const std::vector<T>& x) {
  return {bits(x), bits(x) + x.size()};
}

constexpr std::uint16_t kUnwritten = 0x7FE5;  ///< NaN in both formats

template <class T, unsigned kDim, unsigned kRowTiles>
std::vector<T> emulate(const Problem<T>& p, std::uint32_t splits) {
  using Block = Flash2Block<T, kDim, kRowTiles>;
  const Flash2Inputs in{p.shape, bits(p.q), bits(p.k), bits(p.v),
                        static_cast<float>(p.scale * 1.4426950408889634)};
  const std::size_t rows = p.shape.rows(), all = p.pairs() * rows;
  std::vector<T> out(p.q.size(), T{kUnwritten});
  auto* const to = reinterpret_cast<std::uint16_t*>(out.data());
  std::vector<float> sums(splits * all * kDim, NAN), maxima(splits * all, NAN),
      denominators(splits * all, NAN);
  const Flash2Partial partial{sums.data(), maxima.data(), denominators.data()};
  const std::uint32_t blocks = p.pairs() * flash2_blocks(p.shape, Block::kRows) * splits;
  for (std::uint32_t index = 0; index < blocks; ++index) {
    EmulatedBlock block(Block::kThreads, Block::kSharedBytes,
                        {range_of(p.q), range_of(p.k), range_of(p.v)});
    block.run([&] { flash2_work<Block>(in, to, partial, splits, index, block.shared.data()); });
  }
  for (std::size_t at = 0; splits > 1 && at < all; ++at) {
    const std::size_t row = p.shape.query_offset(static_cast<std::uint32_t>(at / rows),
                                                 static_cast<std::uint32_t>(at % rows));
    for (unsigned col = 0; col < kDim; ++col)
      out[row + col] = from_float<T>(flash2_merged<kDim>(partial, splits, all, at, col));
  }
  return out;
}

/// As the launch chooses: blocks of 64 rows where all fit into one, else of 128.
template <class T>
std::vector<T> emulate(const Problem<T>& p, std::uint32_t splits = 1) {
  const bool few = p.shape.rows() <= 64;
  if (p.shape.head_dim == 64)
    return few ? emulate<T, 64, 1>(p, splits) : emulate<T, 64, 2>(p, splits);
  return few ? emulate<T, 128, 1>(p, splits) : emulate<T, 128, 2>(p, splits);
}

template <class T>
std::vector<float> floats(const std::vector<T>& x) {
  std::vector<float> out;
  for (const T value : x) out.push_back(to_float(value));
  return out;
}

template <class T>
std::vector<double> exact(const Problem<T>& p) {
  const Flash2Shape& s = p.shape;
  std::vector<double> out(p.q.size());
  oracles::attention(
      {s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim, s.causal, p.scale},
      floats(p.q), floats(p.k), floats(p.v), out);
  return out;
}

/// The output's rounding at 4, which none reaches, and as much again for the weights'.
template <class T>
constexpr double kTolerance = std::is_same_v<T, F16> ? 0x1p-9 : 0x1p-6;

template <class T>
double worst_error(const std::vector<T>& got, const std::vector<double>& want) {
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(to_float(got[i]) - want[i]);
    if (!(error <= worst)) worst = std::isnan(error) ? 1e300 : error;
  }
  return worst;
}

// batch, heads_q, heads_kv, seq_q, seq_kv, head_dim, causal
constexpr Flash2Shape kShapes[] = {
    {1, 1, 1, 1, 1, 64, false},    {1, 1, 1, 1, 65, 128, true},    {2, 4, 2, 1, 130, 64, true},
    {1, 8, 1, 1, 200, 128, false}, {1, 2, 1, 31, 63, 64, true},    {1, 3, 1, 63, 127, 64, true},
    {1, 2, 2, 65, 65, 128, true},  {1, 2, 2, 129, 129, 64, true},  {1, 1, 1, 129, 64, 128, true},
    {2, 2, 1, 70, 33, 64, false},  {1, 1, 1, 200, 193, 128, true}, {1, 4, 2, 40, 7, 64, true},
};

std::string words(const Flash2Shape& s) {
  std::string text = s.causal ? "causal" : "full";
  for (const auto n : {s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim})
    text += " " + std::to_string(n);
  return text;
}

template <class T>
void check_shapes() {
  for (const Flash2Shape& shape : kShapes) {
    INFO(words(shape));
    const Problem<T> p = problem<T>(shape);
    CHECK(worst_error(emulate(p), exact(p)) <= kTolerance<T>);
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a == b;
}

}  // namespace

TEST_CASE("flash2 is near the oracle in every shape") {
  SECTION("f16") {
    check_shapes<F16>();
  }
  SECTION("bf16") {
    check_shapes<Bf16>();
  }
}

TEST_CASE("keys that are worked on in runs give the same to rounding") {
  for (const Flash2Shape& shape :
       {Flash2Shape{1, 4, 2, 1, 300, 64, true}, Flash2Shape{1, 1, 1, 70, 200, 128, true}}) {
    for (const std::uint32_t splits : {2u, 3u, 7u}) {  // 7: some runs hold no tile
      INFO(words(shape) << " in " << splits);
      const auto p = problem<Bf16>(shape);
      CHECK(worst_error(emulate(p, splits), exact(p)) <= kTolerance<Bf16>);
    }
  }
}

TEST_CASE("what a query does not see leaves no trace, not even a NaN or an infinity") {
  const float kPoisons[] = {NAN, INFINITY, -INFINITY, 1e4f};
  const Flash2Shape shape{1, 2, 1, 70, 130, 64, true};
  const auto clean = problem<F16>(shape);
  const auto before = emulate(clean);
  const std::uint32_t from = 100;  // the first key that is poisoned
  auto dirty = clean;
  for (std::uint32_t key = from; key < shape.seq_kv; ++key) {
    for (std::uint32_t i = 0; i < shape.head_dim; ++i) {
      const F16 poison = from_float<F16>(kPoisons[(key + i) % 4]);
      dirty.k[shape.key_offset(0, key) + i] = poison;
      dirty.v[shape.key_offset(0, key) + i] = poison;
    }
  }
  const auto after = emulate(dirty);
  std::size_t kept = 0, disturbed = 0;
  for (std::uint32_t row = 0; row < shape.rows(); ++row) {
    const auto at = static_cast<std::ptrdiff_t>(shape.query_offset(0, row));
    const bool same =
        std::equal(before.begin() + at, before.begin() + at + shape.head_dim, after.begin() + at);
    (shape.visible(row) <= from ? kept : disturbed) += same;
  }
  CHECK(kept == 2u * 40);  // queries 0 … 39 see keys up to 99
  CHECK(disturbed == 0);   // and all others see a poisoned one
}

TEST_CASE("an infinity among the values reaches the rows that see it, and no other column") {
  const Flash2Shape shape{1, 1, 1, 20, 20, 64, true};
  auto p = problem<Bf16>(shape);
  p.v[shape.key_offset(0, 10) + 5] = from_float<Bf16>(-INFINITY);
  const auto out = emulate(p);
  for (std::uint32_t row = 0; row < 20; ++row) {
    for (std::uint32_t col = 0; col < 64; ++col) {
      const float x = to_float(out[shape.query_offset(0, row) + col]);
      if (row >= 10 && col == 5) CHECK(x == -INFINITY);
      if (row < 10 || col != 5) CHECK(std::isfinite(x));
    }
  }
}

TEST_CASE("a row that sees nothing gives zeros, and a NaN that it sees gives NaN") {
  const auto p = problem<F16>({1, 1, 1, 10, 4, 64, true});
  const auto out = emulate(p);
  for (std::size_t i = 0; i < 6 * 64; ++i) CHECK(to_float(out[i]) == 0.0f);
  CHECK(worst_error(out, exact(p)) <= kTolerance<F16>);
  auto with_nan = problem<F16>({1, 1, 1, 2, 70, 64, false});
  with_nan.k[64 * 3] = from_float<F16>(NAN);
  for (const F16 x : emulate(with_nan)) CHECK(std::isnan(to_float(x)));
}

TEST_CASE("a scale of zero or below is a scale") {
  auto p = problem<Bf16>({1, 1, 1, 33, 90, 64, true});
  for (const float scale : {0.0f, -0.125f}) {
    p.scale = scale;
    CHECK(worst_error(emulate(p), exact(p)) <= kTolerance<Bf16>);
  }
}

TEST_CASE("a row has the same bits wherever it stands") {
  const Flash2Shape whole{1, 2, 1, 70, 70, 64, true};
  const auto p = problem<F16>(whole);
  const auto out = emulate(p);
  // The last query of each head alone, as a decode step: blocks of 64 rows instead of 128.
  Problem<F16> last{{1, 2, 1, 1, 70, 64, true}, p.scale, {}, p.k, p.v};
  std::vector<F16> want;
  for (std::uint32_t head = 0; head < 2; ++head) {
    const std::uint32_t row = 69 * 2 + head;  // packed
    const auto at = static_cast<std::ptrdiff_t>(whole.query_offset(0, row));
    last.q.insert(last.q.end(), p.q.begin() + at, p.q.begin() + at + 64);
    want.insert(want.end(), out.begin() + at, out.begin() + at + 64);
  }
  CHECK(same_bits(emulate(last), want));
}

TEST_CASE("every query of every head is one packed row, and sees what the mask says") {
  const Flash2Shape s{2, 6, 2, 5, 9, 64, true};
  std::vector<int> taken(2 * 6 * 5, 0);
  for (std::uint32_t pair = 0; pair < 4; ++pair) {
    for (std::uint32_t row = 0; row < s.rows(); ++row) {
      const std::size_t vector = s.query_offset(pair, row) / s.head_dim;
      ++taken.at(vector);
      const std::size_t query = vector % 5, head = vector / 5 % 6, batch = vector / 30;
      CHECK(head / 3 == pair % 2);
      CHECK(batch == pair / 2);
      CHECK(s.visible(row) == query + 1 + 9 - 5);
    }
  }
  CHECK(taken == std::vector<int>(taken.size(), 1));
}

TEST_CASE("tiles that are taken for seen in full are, and none that is seen is left out") {
  for (const std::uint32_t seq_q : {1u, 63u, 64u, 130u}) {
    for (const std::uint32_t seq_kv : {1u, 64u, 65u, 200u}) {
      for (const bool causal : {false, true}) {
        const Flash2Shape s{1, 2, 1, seq_q, seq_kv, 64, causal};
        for (std::uint32_t first = 0; first < s.rows(); first += 64) {
          const Flash2Range range = flash2_range(s, first, 64);
          const std::uint32_t last = std::min(first + 64, s.rows());
          for (std::uint32_t row = first; row < last; ++row) {
            CHECK(range.unmasked * 64 <= s.visible(row));
            CHECK(range.end * 64 >= s.visible(row));
          }
        }
      }
    }
  }
}

TEST_CASE("runs of keys cover all tiles once") {
  for (const std::uint32_t tiles : {0u, 1u, 5u, 64u}) {
    for (const std::uint32_t splits : {1u, 2u, 7u}) {
      CHECK(flash2_split_begin(tiles, splits, 0) == 0);
      CHECK(flash2_split_begin(tiles, splits, splits) == tiles);
      for (std::uint32_t i = 0; i < splits; ++i) {
        CHECK(flash2_split_begin(tiles, splits, i) <= flash2_split_begin(tiles, splits, i + 1));
      }
    }
  }
}

TEST_CASE("eight rows at one column lie in eight different groups of banks") {
  const auto check = []<unsigned kDim>() {
    for (unsigned first = 0; first < 64; first += 8) {
      for (unsigned chunk = 0; chunk < kDim / 8; ++chunk) {
        unsigned groups = 0;
        for (unsigned row = first; row < first + 8; ++row)
          groups |= 1u << SwizzledTile<kDim>::chunk_at(row, chunk) / 8 % 8;
        CHECK(groups == 0xFFu);
      }
    }
  };
  check.operator()<64>();
  check.operator()<128>();
}

}  // namespace refute::kernels::cuda
