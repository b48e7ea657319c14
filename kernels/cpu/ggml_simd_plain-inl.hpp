// Quantisers of the formats of 32 values and of the 16-bit floats, compiled once per instruction
// set. Vectors handle the ordinary block; a block whose inverse scale is not finite (a peak below
// about 1e-37, a range that overflows) goes to the scalar code, which defines what becomes of it.
// Include after hwy/highway.h; the guard toggles per target.

#if defined(REFUTE_KERNELS_CPU_GGML_SIMD_PLAIN_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_KERNELS_CPU_GGML_SIMD_PLAIN_INL
#undef REFUTE_KERNELS_CPU_GGML_SIMD_PLAIN_INL
#else
#define REFUTE_KERNELS_CPU_GGML_SIMD_PLAIN_INL
#endif

#if HWY_TARGET != HWY_SCALAR  // which has no vectors: the scalar kernels serve it
HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
namespace gd = ggml_detail;

using F32 = hn::ScalableTag<float>;
using I32 = hn::RebindToSigned<F32>;
using U32 = hn::RebindToUnsigned<F32>;
using U8x16 = hn::FixedTag<std::uint8_t, 16>;
using VF = hn::VFromD<F32>;
using VI = hn::VFromD<I32>;
constexpr std::size_t kF32Lanes = hn::MaxLanes(F32());

/// Values 0 … 255 of integer lanes to as many bytes.
HWY_INLINE void StoreBytes(VI codes, std::uint8_t* out) {
  const hn::Rebind<std::uint8_t, I32> d8;
  hn::StoreU(hn::DemoteTo(d8, codes), d8, out);
}

struct BlockRange {
  float least, most;
};

HWY_INLINE BlockRange RangeOf(const float* x) {
  const F32 d;
  auto least = hn::LoadU(d, x);
  auto most = least;
  for (std::size_t j = kF32Lanes; j < gd::kBlock; j += kF32Lanes) {
    const auto v = hn::LoadU(d, x + j);
    least = hn::Min(least, v);
    most = hn::Max(most, v);
  }
  return {hn::GetLane(hn::MinOfLanes(d, least)), hn::GetLane(hn::MaxOfLanes(d, most))};
}

HWY_INLINE float PeakMagnitude(const float* x) {
  const F32 d;
  auto most = hn::Abs(hn::LoadU(d, x));
  for (std::size_t j = kF32Lanes; j < gd::kBlock; j += kF32Lanes) {
    most = hn::Max(most, hn::Abs(hn::LoadU(d, x + j)));
  }
  return hn::GetLane(hn::MaxOfLanes(d, most));
}

/// The first value of largest magnitude; +0 for zeros.
HWY_INLINE float SignedPeak(const float* x) {
  const BlockRange range = RangeOf(x);
  if (range.most > -range.least) return range.most;
  if (range.most < -range.least) return range.least;
  if (range.most == 0.0f) return 0.0f;
  return *std::find_if(x, x + gd::kBlock, [&](float v) { return std::fabs(v) == range.most; });
}

/// Codes by truncation of x·inverse + bias after subtracting least; at most top.
HWY_INLINE void TruncatedCodes(const float* x, float least, float inverse, float bias, int top,
                               std::uint8_t* codes) {
  const F32 d;
  const I32 di;
  for (std::size_t j = 0; j < gd::kBlock; j += kF32Lanes) {
    const auto shifted = hn::Sub(hn::LoadU(d, x + j), hn::Set(d, least));
    const auto scaled = hn::Add(hn::Mul(shifted, hn::Set(d, inverse)), hn::Set(d, bias));
    StoreBytes(hn::Min(hn::ConvertTo(di, scaled), hn::Set(di, top)), codes + j);
  }
}

HWY_INLINE void PackNibbles(const std::uint8_t* codes, std::uint8_t* out) {
  const U8x16 d;
  const auto low = hn::And(hn::Load(d, codes), hn::Set(d, std::uint8_t{15}));
  hn::StoreU(hn::Or(low, hn::ShiftLeft<4>(hn::Load(d, codes + 16))), d, out);
}

HWY_INLINE void StoreFifthBits(const std::uint8_t* codes, std::uint8_t* out) {
  const U8x16 d;
  const auto sixteen = hn::Set(d, std::uint8_t{16});
  std::uint8_t bits[8];  // StoreMaskBits may write eight bytes
  for (std::size_t h = 0; h < 2; ++h) {
    const auto high = hn::And(hn::Load(d, codes + 16 * h), sixteen);
    hn::StoreMaskBits(d, hn::Eq(high, sixteen), bits);
    out[2 * h] = bits[0];
    out[2 * h + 1] = bits[1];
  }
}

/// Q4_0 and Q5_0.
template <int kHalf>
HWY_INLINE void QuantizeCentred(const float* x, std::uint8_t* y) {
  const float scale = SignedPeak(x) / -kHalf;
  const float inverse = gd::inverse_or_zero(scale);
  if (!std::isfinite(inverse))
    return kHalf == 8 ? gd::quantize_q4_0(x, y) : gd::quantize_q5_0(x, y);
  HWY_ALIGN std::uint8_t codes[gd::kBlock];
  TruncatedCodes(x, 0.0f, inverse, kHalf + 0.5f, 2 * kHalf - 1, codes);
  gd::store_half(y, scale);
  if constexpr (kHalf == 16) StoreFifthBits(codes, y + 2);
  PackNibbles(codes, y + (kHalf == 16 ? 6 : 2));
}

/// Q4_1 and Q5_1.
template <int kTop>
HWY_INLINE void QuantizeAffine(const float* x, std::uint8_t* y) {
  BlockRange range = RangeOf(x);
  if (range.least == 0.0f) {
    // Which zero it is shows in the stored minimum; the vector minimum does not say.
    range.least = *std::find(x, x + gd::kBlock, 0.0f);
    if (range.most == 0.0f) range.most = range.least;
  }
  const float scale = (range.most - range.least) / kTop;
  const float inverse = gd::inverse_or_zero(scale);
  if (!std::isfinite(scale) || !std::isfinite(inverse)) {
    return kTop == 15 ? gd::quantize_q4_1(x, y) : gd::quantize_q5_1(x, y);
  }
  HWY_ALIGN std::uint8_t codes[gd::kBlock];
  TruncatedCodes(x, range.least, inverse, 0.5f, kTop, codes);
  gd::store_half(y, scale);
  gd::store_half(y + 2, range.least);
  if constexpr (kTop == 31) StoreFifthBits(codes, y + 4);
  PackNibbles(codes, y + (kTop == 31 ? 8 : 4));
}

/// Rounds to the nearest integer, ties away from zero: 0.49999997, the float below one half, is
/// what can be added before truncating without carrying a smaller fraction over.
HWY_INLINE VI RoundAway(VF v) {
  const F32 d;
  const auto below_half = hn::Set(d, 0.49999997f);
  return hn::ConvertTo(I32(), hn::Add(v, hn::CopySignToAbs(below_half, v)));
}

HWY_INLINE void QuantizeQ8_0(const float* x, std::uint8_t* y) {
  const F32 d;
  const hn::Rebind<std::int8_t, I32> d8;
  const float scale = PeakMagnitude(x) / 127.0f;
  const float inverse = gd::inverse_or_zero(scale);
  if (!std::isfinite(inverse)) return gd::quantize_q8_0(x, y);
  gd::store_half(y, scale);
  for (std::size_t j = 0; j < gd::kBlock; j += kF32Lanes) {
    const auto code = RoundAway(hn::Mul(hn::LoadU(d, x + j), hn::Set(d, inverse)));
    hn::StoreU(hn::DemoteTo(d8, code), d8, reinterpret_cast<std::int8_t*>(y + 2 + j));
  }
}

/// How many of the bounds each value passes: strictly, or by reaching them.
template <bool kStrict, std::size_t kCount>
HWY_INLINE VI CountPassed(VF v, const std::array<float, kCount>& bounds) {
  const F32 d;
  const I32 di;
  auto count = hn::Zero(di);
  for (const float bound : bounds) {
    const auto at = hn::Set(d, bound);
    const auto passed = kStrict ? hn::Gt(v, at) : hn::Ge(v, at);
    count = hn::Sub(count, hn::VecFromMask(di, hn::RebindMask(di, passed)));
  }
  return count;
}

constexpr std::array<float, 7> kMxfp4Bounds = {0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f};

/// A value's distance to two codes, both exact, decides as its magnitude in units of d does against
/// the middle between them; a tie has the smaller code.
HWY_INLINE void QuantizeMxfp4(const float* x, std::uint8_t* y) {
  const F32 d;
  const I32 di;
  const float peak = PeakMagnitude(x);
  const int exponent = peak > 0.0f ? gd::floor_of_rounded_log2(peak) - 2 + 127 : 0;
  if (exponent < 2 || exponent > 250) return gd::quantize_mxfp4(x, y);
  const float inverse = std::bit_cast<float>(static_cast<std::uint32_t>(255 - exponent) << 23);
  HWY_ALIGN std::uint8_t codes[gd::kBlock];
  for (std::size_t j = 0; j < gd::kBlock; j += kF32Lanes) {
    const auto v = hn::LoadU(d, x + j);
    const auto code = CountPassed<true>(hn::Mul(hn::Abs(v), hn::Set(d, inverse)), kMxfp4Bounds);
    const auto negative = hn::And(hn::BroadcastSignBit(hn::BitCast(di, v)), hn::Set(di, 8));
    StoreBytes(hn::Add(code, hn::IfThenElseZero(hn::Gt(code, hn::Zero(di)), negative)), codes + j);
  }
  y[0] = static_cast<std::uint8_t>(exponent);
  PackNibbles(codes, y + 1);
}

constexpr std::array<float, 15> iq4_nl_bounds() {
  std::array<float, 15> bounds = {};
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    bounds[i] = 0.5f * static_cast<float>(gd::kIq4NlValues[i] + gd::kIq4NlValues[i + 1]);
  }
  return bounds;
}
constexpr std::array<float, 15> kIq4NlBounds = iq4_nl_bounds();

/// The codebook's values for 32 codes, as f32.
HWY_INLINE void LookUp(const std::array<std::int8_t, 16>& values, const std::uint8_t* codes,
                       std::int8_t* out) {
  const U8x16 d;
  const hn::RebindToSigned<U8x16> ds;
  const auto table = hn::BitCast(d, hn::LoadU(ds, values.data()));
  for (std::size_t j = 0; j < gd::kBlock; j += 16) {
    hn::Store(hn::BitCast(ds, hn::TableLookupBytes(table, hn::Load(d, codes + j))), ds, out + j);
  }
}

/// The terms are formed on vectors; the sums stay in the order of the values, which fixes their
/// bits.
HWY_INLINE void QuantizeIq4Nl(const float* x, std::uint8_t* y, const std::uint8_t* before) {
  const F32 d;
  const I32 di;
  const hn::Rebind<std::int8_t, I32> d8;
  const float peak = SignedPeak(x);
  if (std::fabs(peak) < gd::kZeroGroup) return gd::store_iq4_nl_zeros(y, before);
  const float inverse = 1.0f / (peak / static_cast<float>(gd::kIq4NlValues[0]));
  HWY_ALIGN std::uint8_t codes[gd::kBlock];
  HWY_ALIGN std::int8_t values[gd::kBlock];
  HWY_ALIGN float qx[gd::kBlock], qq[gd::kBlock];
  for (std::size_t j = 0; j < gd::kBlock; j += kF32Lanes) {
    const auto scaled = hn::Mul(hn::Set(d, inverse), hn::LoadU(d, x + j));
    StoreBytes(CountPassed<false>(scaled, kIq4NlBounds), codes + j);
  }
  LookUp(gd::kIq4NlValues, codes, values);
  for (std::size_t j = 0; j < gd::kBlock; j += kF32Lanes) {
    const auto v = hn::LoadU(d, x + j);
    const auto q = hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(d8, values + j)));
    const auto weighted = hn::Mul(hn::Mul(v, v), q);
    hn::Store(hn::Mul(weighted, v), d, qx + j);
    hn::Store(hn::Mul(weighted, q), d, qq + j);
  }
  float sum_qx = 0.0f, sum_qq = 0.0f;
  for (std::size_t j = 0; j < gd::kBlock; ++j) {
    sum_qx += qx[j];
    sum_qq += qq[j];
  }
  gd::store_half(y, sum_qq > 0.0f ? sum_qx / sum_qq : 0.0f);
  PackNibbles(codes, y + 2);
}

void QuantizeIq4NlBlocks(const float* x, std::uint8_t* y, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, x += gd::kBlock, y += gd::kIq4NlBytes) {
    QuantizeIq4Nl(x, y, b == 0 ? nullptr : y - gd::kIq4NlBytes);
  }
}

/// Finite f32 to binary16 bits, in 32-bit lanes: the arithmetic of float_to_half without branches.
HWY_INLINE hn::VFromD<U32> HalfBits(hn::VFromD<U32> bits) {
  const U32 d;
  const I32 di;
  const F32 df;
  const auto below = [&](auto v, std::uint32_t bound) HWY_ATTR {
    return hn::RebindMask(d, hn::Lt(hn::BitCast(di, v), hn::BitCast(di, hn::Set(d, bound))));
  };
  const auto magnitude = hn::And(bits, hn::Set(d, 0x7FFFFFFFu));
  const auto sign = hn::ShiftRight<16>(hn::AndNot(hn::Set(d, 0x7FFFFFFFu), bits));
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(d, 1u));
  const auto rounded = hn::Add(hn::Add(magnitude, hn::Set(d, 0xFFFu - (112u << 23))), odd);
  const auto sum = hn::Add(hn::BitCast(df, magnitude), hn::Set(df, 0.5f));
  const auto subnormal = hn::Sub(hn::BitCast(d, sum), hn::Set(d, 0x3F000000u));
  const auto half =
      hn::IfThenElse(below(magnitude, 0x38800000u), subnormal, hn::ShiftRight<13>(rounded));
  const auto finite = below(magnitude, 0x477FF000u);
  return hn::Or(sign, hn::IfThenElse(finite, half, hn::Set(d, 0x7C00u)));
}

HWY_INLINE hn::VFromD<U32> BrainBits(hn::VFromD<U32> bits) {
  const U32 d;
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
  return hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(d, 0x7FFFu)), odd));
}

template <GgmlFormat kFormat>
void QuantizeSixteenBits(const float* x, std::uint8_t* y, std::size_t count) {
  const U32 d;
  const F32 df;
  const hn::Rebind<std::uint16_t, U32> d16;
  std::size_t i = 0;
  for (; i + kF32Lanes <= count; i += kF32Lanes) {
    const auto bits = hn::BitCast(d, hn::LoadU(df, x + i));
    const auto narrow = kFormat == GgmlFormat::f16 ? HalfBits(bits) : BrainBits(bits);
    // Bytes need not be aligned as 16-bit words: store them as bytes.
    const hn::Repartition<std::uint8_t, decltype(d16)> d8;
    hn::StoreU(hn::BitCast(d8, hn::TruncateTo(d16, narrow)), d8, y + 2 * i);
  }
  gd::scalar_codec(kFormat).quantize(x + i, y + 2 * i, count - i);
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif  // per-target guard
