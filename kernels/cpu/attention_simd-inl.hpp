// The vector bodies of attention, included once per instruction set by attention_simd.cpp.
//
// Every output element is summed in one order (scores along head_dim, outputs along the keys) by
// fused multiply-adds, maxima do not depend on an order, and denominators run over 16 virtual
// lanes: so the bits are the same on every instruction set, and a row's bits do not depend on the
// rows beside it.

#if defined(REFUTE_ATTENTION_SIMD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_ATTENTION_SIMD_INL
#undef REFUTE_ATTENTION_SIMD_INL
#else
#define REFUTE_ATTENTION_SIMD_INL
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include <hwy/highway.h>

#include "kernels/cpu/attention_block.hpp"

HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatLanes = hn::CappedTag<float, kAttentionLanes>;
using IntLanes = hn::RebindToSigned<FloatLanes>;
using FloatVec = hn::Vec<FloatLanes>;
inline constexpr std::size_t kWidth = hn::MaxLanes(FloatLanes());
inline constexpr std::size_t kParts = kAttentionLanes / kWidth;  ///< vectors per 16 virtual lanes
/// A register tile: 12 rows of 2 vectors where there are 32 registers, 6 of 2 where there are 16.
inline constexpr std::size_t kTileRows = kWidth == 16 ? 12 : 6;
inline constexpr std::size_t kTileVecs = 2;
inline constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// a·b + c, rounded once. Where the CPU has no such instruction it is done lane by lane: slow, and
/// the same bits.
HWY_INLINE FloatVec Fma(FloatVec a, FloatVec b, FloatVec c) {
#if HWY_NATIVE_FMA
  return hn::MulAdd(a, b, c);
#else
  const FloatLanes d;
  alignas(64) float x[kWidth], y[kWidth], z[kWidth];
  hn::Store(a, d, x);
  hn::Store(b, d, y);
  hn::Store(c, d, z);
  for (std::size_t i = 0; i < kWidth; ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return hn::Load(d, z);
#endif
}

/// exp(x) for x <= 0 within 2 ulp; below -87.3, where the result would be subnormal, 0; NaN stays
/// NaN and exp(0) is exactly 1. x = n·ln 2 + r with |r| <= ln 2 / 2, the split of ln 2 after Cody
/// and Waite, and the Taylor polynomial of degree 7, whose remainder is below 6e-9.
HWY_INLINE FloatVec ExpNonPositive(FloatVec x) {
  const FloatLanes d;
  const IntLanes di;
  const auto to_integer = hn::Set(d, 12582912.0f);  // 1.5·2^23: its sum with a small number rounds
  const auto shifted = Fma(x, hn::Set(d, 1.44269504f), to_integer);
  const auto n = hn::Sub(shifted, to_integer);
  auto r = Fma(n, hn::Set(d, -0.693359375f), x);
  r = Fma(n, hn::Set(d, 2.12194440e-4f), r);
  auto sum = hn::Set(d, 1.0f / 5040);
  for (const float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
    sum = Fma(sum, r, hn::Set(d, c));
  }
  const auto exponent =
      hn::Add(hn::ShiftLeft<23>(hn::BitCast(di, shifted)), hn::Set(di, 127 << 23));
  const auto scaled = hn::Mul(sum, hn::BitCast(d, exponent));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.3f)), scaled);
}

/// A matrix product's operands: C[r] = C[r]·rescale[r] + Σ_i A[r, i]·B[i] over `count` terms, i in
/// order; without a rescale C starts as zero. The strides are of rows, in floats.
struct Product {
  const float* a;
  std::size_t a_stride;
  const float* b;
  std::size_t b_stride;
  std::size_t count;
  const float* rescale;
  float* c;
  std::size_t c_stride;
};

/// The columns [column, column + kVecs·kWidth) of kRows rows, with the sums kept in registers. A
/// stride of A that is known at compile time (0: not known) leaves one address register for all
/// rows: with twelve, the compiler parks some in vector registers and moves them on an FMA port.
template <std::size_t kRows, std::size_t kVecs, std::size_t kStride>
HWY_INLINE void MultiplyPanel(const Product& p, std::size_t row, std::size_t column) {
  const FloatLanes d;
  const std::size_t a_stride = kStride != 0 ? kStride : p.a_stride;
  const float* HWY_RESTRICT a = p.a + row * a_stride;
  const float* HWY_RESTRICT b = p.b + column;
  float* HWY_RESTRICT c = p.c + row * p.c_stride + column;
  FloatVec sum[kRows][kVecs];
#pragma GCC unroll 12
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVecs; ++v) {
      sum[r][v] = p.rescale == nullptr ? hn::Zero(d)
                                       : hn::Mul(hn::LoadU(d, c + r * p.c_stride + v * kWidth),
                                                 hn::Set(d, p.rescale[row + r]));
    }
  }
  for (std::size_t i = 0; i < p.count; ++i) {
    FloatVec line[kVecs];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVecs; ++v) line[v] = hn::LoadU(d, b + i * p.b_stride + v * kWidth);
#pragma GCC unroll 12
    for (std::size_t r = 0; r < kRows; ++r) {
      const auto factor = hn::Set(d, a[r * a_stride + i]);
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kVecs; ++v) sum[r][v] = Fma(factor, line[v], sum[r][v]);
    }
  }
#pragma GCC unroll 12
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVecs; ++v) {
      hn::StoreU(sum[r][v], d, c + r * p.c_stride + v * kWidth);
    }
  }
}

template <std::size_t kRows, std::size_t kStride>
HWY_NOINLINE void MultiplyRows(const Product& p, std::size_t row, std::size_t columns) {
  std::size_t j = 0;
  for (; j + kTileVecs * kWidth <= columns; j += kTileVecs * kWidth) {
    MultiplyPanel<kRows, kTileVecs, kStride>(p, row, j);
  }
  for (; j < columns; j += kWidth) MultiplyPanel<kRows, 1, kStride>(p, row, j);
}

template <std::size_t kStride>
HWY_INLINE void MultiplyStrided(const Product& p, std::size_t rows, std::size_t columns) {
  std::size_t row = 0;
  for (; row + kTileRows <= rows; row += kTileRows) {
    MultiplyRows<kTileRows, kStride>(p, row, columns);
  }
  for (; row + 4 <= rows; row += 4) MultiplyRows<4, kStride>(p, row, columns);
  for (; row < rows; ++row) MultiplyRows<1, kStride>(p, row, columns);
}

/// Any number of rows; columns is a multiple of the lanes.
HWY_INLINE void Multiply(const Product& p, std::size_t rows, std::size_t columns) {
  if (p.a_stride == 64) return MultiplyStrided<64>(p, rows, columns);
  if (p.a_stride == 128) return MultiplyStrided<128>(p, rows, columns);
  MultiplyStrided<0>(p, rows, columns);
}

inline constexpr float kOne = 1.0f;

/// out[r] = out[r]·rescale[r] (or 0) + Σ_{j < seen[r]} weights[r, j]·values[j]: the keys that all
/// rows see together, then each row's own. A value beyond seen[r] is not read for row r, as 0·NaN
/// is NaN.
HWY_INLINE void AddValues(std::size_t rows, const float* weights, std::size_t stride,
                          const std::size_t* seen, const float* values, std::size_t width,
                          const float* rescale, float* out) {
  const std::size_t common = *std::min_element(seen, seen + rows);
  Multiply({weights, stride, values, width, common, rescale, out, width}, rows, width);
  for (std::size_t r = 0; r < rows; ++r) {
    if (seen[r] == common) continue;
    Multiply({weights + r * stride + common, stride, values + common * width, width,
              seen[r] - common, &kOne, out + r * width, width},
             1, width);
  }
}

/// x·scale where the lane's index is below seen, -infinity beyond.
HWY_INLINE FloatVec Scaled(const float* x, std::size_t index, std::size_t seen, FloatVec scale) {
  const FloatLanes d;
  const IntLanes di;
  const auto value = hn::Mul(hn::LoadU(d, x + index), scale);
  if (index + kWidth <= seen) return value;
  const int left = seen > index ? static_cast<int>(seen - index) : 0;
  const auto inside = hn::Lt(hn::Iota(di, 0), hn::Set(di, left));
  return hn::IfThenElse(hn::RebindMask(d, inside), value, hn::Set(d, kMinusInfinity));
}

/// Rounds probabilities (0 … 1) in place of the storage type, to nearest, ties to even.
HWY_INLINE FloatVec RoundProbability(FloatVec p, ProbabilityRounding rounding) {
  const FloatLanes d;
  const hn::RebindToUnsigned<FloatLanes> du;
  if (rounding == ProbabilityRounding::none) return p;
  const int dropped = rounding == ProbabilityRounding::bf16 ? 16 : 13;
  const auto bits = hn::BitCast(du, p);
  const auto lowest_kept = hn::And(hn::ShiftRightSame(bits, dropped), hn::Set(du, 1u));
  const auto half = hn::Set(du, (1u << (dropped - 1)) - 1u);
  const auto rounded =
      hn::And(hn::Add(bits, hn::Add(half, lowest_kept)), hn::Set(du, ~0u << dropped));
  const auto normal = hn::IfThenElse(hn::IsNaN(p), p, hn::BitCast(d, rounded));
  if (rounding == ProbabilityRounding::bf16) return normal;
  // f16's spacing below 2^-14 is 2^-24, which is that of floats in [0.5, 1).
  const auto half_one = hn::Set(d, 0.5f);
  const auto subnormal = hn::Sub(hn::Add(p, half_one), half_one);
  return hn::IfThenElse(hn::Lt(p, hn::Set(d, 0x1p-14f)), subnormal, normal);
}

/// Pairwise over the 16 virtual lanes, the same tree everywhere.
HWY_INLINE float SumLanes(const float* lanes) {
  float s[kAttentionLanes];
  std::copy_n(lanes, kAttentionLanes, s);
  for (std::size_t half = kAttentionLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) s[i] += s[i + half];
  }
  return s[0];
}

/// The greatest scaled score among the first `seen` of `padded` (a multiple of the lanes).
HWY_INLINE float RowMax(const float* x, std::size_t padded, std::size_t seen, float scale) {
  const FloatLanes d;
  const auto factor = hn::Set(d, scale);
  auto most = hn::Set(d, kMinusInfinity);
  for (std::size_t j = 0; j < padded; j += kWidth) most = hn::Max(most, Scaled(x, j, seen, factor));
  return hn::GetLane(hn::MaxOfLanes(d, most));
}

/// x[j] = exp(scale·x[j] - max) in place, 0 beyond `seen`, and their sum by virtual lane added to
/// sum[16]. A maximum of -infinity leaves all weights 0.
HWY_INLINE void Exponentiate(float* x, std::size_t padded, std::size_t seen, float scale, float max,
                             ProbabilityRounding rounding, float* sum) {
  const FloatLanes d;
  const auto factor = hn::Set(d, scale);
  const auto shift = hn::Set(d, max == kMinusInfinity ? 0.0f : max);
  FloatVec lanes[kParts];
  for (std::size_t u = 0; u < kParts; ++u) lanes[u] = hn::LoadU(d, sum + u * kWidth);
  for (std::size_t j = 0; j < padded; j += kAttentionLanes) {
    for (std::size_t u = 0; u < kParts; ++u) {
      const std::size_t at = j + u * kWidth;
      const auto p = ExpNonPositive(hn::Sub(Scaled(x, at, seen, factor), shift));
      lanes[u] = hn::Add(lanes[u], p);
      hn::StoreU(RoundProbability(p, rounding), d, x + at);
    }
  }
  for (std::size_t u = 0; u < kParts; ++u) hn::StoreU(lanes[u], d, sum + u * kWidth);
}

/// The state of algorithm 1 for the rows of a group: m and ℓ (by virtual lane).
struct Group {
  std::size_t first, rows;
  float max[kAttentionGroup];
  float denominator[kAttentionGroup][kAttentionLanes];
};

/// e^(m - m') per row, which both ℓ and O are multiplied with.
HWY_INLINE void Rescales(std::size_t rows, const float* before, const float* after,
                         float* rescale) {
  const FloatLanes d;
  alignas(64) float difference[kAttentionLanes] = {};
  for (std::size_t r = 0; r < rows; ++r) {
    difference[r] = before[r] - (after[r] == kMinusInfinity ? 0.0f : after[r]);
  }
  for (std::size_t i = 0; i < kAttentionGroup; i += kWidth) {
    hn::Store(ExpNonPositive(hn::Load(d, difference + i)), d, difference + i);
  }
  std::copy_n(difference, kAttentionGroup, rescale);
}

/// Lines 8 to 10 of algorithm 1 for one group of rows and the tile of keys that starts at `begin`.
HWY_INLINE void FoldTile(const AttentionBlock& b, std::size_t begin, Group& g) {
  const FloatLanes d;
  const std::size_t dim = b.call->shape.head_dim;
  HWY_ALIGN float s[kAttentionGroup * kAttentionTile];
  std::size_t seen[kAttentionGroup] = {};
  float after[kAttentionGroup] = {}, rescale[kAttentionGroup] = {};
  Multiply({b.q + g.first * dim, dim, b.keys + begin * dim, kAttentionTile, dim, nullptr, s,
            kAttentionTile},
           g.rows, kAttentionTile);
  for (std::size_t r = 0; r < g.rows; ++r) {
    const std::size_t visible = visible_keys(*b.call, b.first_row + g.first + r);
    seen[r] = visible <= begin ? 0 : std::min(visible - begin, kAttentionTile);
    const float tile_max = RowMax(s + r * kAttentionTile, kAttentionTile, seen[r], b.call->scale);
    after[r] = std::isnan(g.max[r]) || g.max[r] > tile_max ? g.max[r] : tile_max;
  }
  Rescales(g.rows, g.max, after, rescale);
  for (std::size_t r = 0; r < g.rows; ++r) {
    const auto factor = hn::Set(d, rescale[r]);
    for (std::size_t u = 0; u < kAttentionLanes; u += kWidth) {
      hn::StoreU(hn::Mul(hn::LoadU(d, g.denominator[r] + u), factor), d, g.denominator[r] + u);
    }
    Exponentiate(s + r * kAttentionTile, kAttentionTile, seen[r], b.call->scale, after[r],
                 b.rounding, g.denominator[r]);
    g.max[r] = after[r];
  }
  AddValues(g.rows, s, kAttentionTile, seen, b.values + begin * b.width, b.width, rescale,
            b.out + g.first * b.width);
}

/// x = x / divisor over a multiple of the lanes; zeros for a divisor of 0.
HWY_INLINE void DivideRow(float* x, std::size_t count, float divisor) {
  const FloatLanes d;
  const auto by = hn::Set(d, divisor);
  const bool nothing = divisor == 0.0f;
  for (std::size_t j = 0; j < count; j += kWidth) {
    hn::StoreU(nothing ? hn::Zero(d) : hn::Div(hn::LoadU(d, x + j), by), d, x + j);
  }
}

/// Algorithm 1 for one block of query rows: its inner loop over the tiles of keys. The tile is the
/// outer loop here and the groups of rows the inner one, so that a tile stays in the first cache.
void Flash2Block(const AttentionBlock& b) {
  Group groups[kAttentionRows / kAttentionGroup];
  std::size_t count = 0;
  for (std::size_t first = 0; first < b.rows; first += kAttentionGroup) {
    Group& g = groups[count++];
    g.first = first;
    g.rows = std::min(kAttentionGroup, b.rows - first);
    std::fill_n(g.max, kAttentionGroup, kMinusInfinity);
    std::fill_n(&g.denominator[0][0], kAttentionGroup * kAttentionLanes, 0.0f);
  }
  const std::size_t most = visible_keys(*b.call, b.first_row + b.rows - 1);
  for (std::size_t begin = 0; begin < most; begin += kAttentionTile) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t last_row = b.first_row + groups[i].first + groups[i].rows - 1;
      if (visible_keys(*b.call, last_row) > begin) FoldTile(b, begin, groups[i]);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t r = 0; r < groups[i].rows; ++r) {
      DivideRow(b.out + (groups[i].first + r) * b.width, b.width,
                SumLanes(groups[i].denominator[r]));
    }
  }
}

/// Softmax of one row in place: x = exp(scale·x - max) / Σ over the first `seen`, zeros beyond.
HWY_INLINE void SoftmaxRow(float* x, std::size_t padded, std::size_t seen, float scale) {
  float sum[kAttentionLanes] = {};
  const float max = RowMax(x, padded, seen, scale);
  Exponentiate(x, padded, seen, scale, max, ProbabilityRounding::none, sum);
  DivideRow(x, padded, SumLanes(sum));
}

HWY_INLINE void RoundRow(float* x, std::size_t padded, ProbabilityRounding rounding) {
  const FloatLanes d;
  if (rounding == ProbabilityRounding::none) return;
  for (std::size_t j = 0; j < padded; j += kWidth) {
    hn::StoreU(RoundProbability(hn::LoadU(d, x + j), rounding), d, x + j);
  }
}

/// The materialised form, a group of query rows at a time: all scores, then the softmax, then the
/// values. `scores` holds kAttentionGroup rows of `padded` floats, padded a multiple of the tile.
void NaiveBlock(const AttentionBlock& b, float* scores, std::size_t padded) {
  const std::size_t dim = b.call->shape.head_dim;
  for (std::size_t first = 0; first < b.rows; first += kAttentionGroup) {
    const std::size_t rows = std::min(kAttentionGroup, b.rows - first);
    for (std::size_t begin = 0; begin < padded; begin += kAttentionTile) {
      Multiply({b.q + first * dim, dim, b.keys + begin * dim, kAttentionTile, dim, nullptr,
                scores + begin, padded},
               rows, kAttentionTile);
    }
    std::size_t seen[kAttentionGroup] = {};
    for (std::size_t r = 0; r < rows; ++r) {
      seen[r] = visible_keys(*b.call, b.first_row + first + r);
      SoftmaxRow(scores + r * padded, padded, seen[r], b.call->scale);
      RoundRow(scores + r * padded, padded, b.rounding);
    }
    AddValues(rows, scores, padded, seen, b.values, b.width, nullptr, b.out + first * b.width);
  }
}

/// SoftmaxRow over rows of any length: whole groups of lanes in place, the rest through a copy.
void SoftmaxRows(float* x, std::size_t rows, std::size_t cols, float scale, float* copy) {
  const std::size_t padded = (cols + kAttentionLanes - 1) / kAttentionLanes * kAttentionLanes;
  for (std::size_t r = 0; r < rows; ++r) {
    float* row = x + r * cols;
    if (padded == cols) {
      SoftmaxRow(row, padded, cols, scale);
      continue;
    }
    std::copy_n(row, cols, copy);
    SoftmaxRow(copy, padded, cols, scale);
    std::copy_n(copy, cols, row);
  }
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // REFUTE_ATTENTION_SIMD_INL
