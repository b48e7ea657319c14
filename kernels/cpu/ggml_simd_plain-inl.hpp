// Quantisers of the formats of 32 values and of the 16-bit floats, compiled once per instruction
// set. Vectors handle the ordinary block; a block whose inverse scale is not finite (a peak below
// about 1e-37) or whose range overflows goes to the scalar code, which defines what becomes of it.
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

/// Headers are made for as many blocks at a time as a vector has lanes: reductions, divisions and
/// the rounding to binary16 cost a fraction then.
constexpr std::size_t kBatch = kF32Lanes;
constexpr std::size_t kFour = 4;
using VF4 = hn::VFromD<hn::FixedTag<float, kFour>>;

struct LeastOf {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Min(a, b);
  }
};

struct MostOf {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Max(a, b);
  }
};

/// Combines the 128-bit parts of a vector.
template <class Pick, class D>
HWY_INLINE VF4 FoldParts(D d, hn::VFromD<D> v, Pick pick) {
  if constexpr (hn::MaxLanes(d) == kFour) {
    return v;
  } else {
    const hn::Half<D> half;
    return FoldParts(half, pick(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), pick);
  }
}

/// Lane b of the result is the least or the largest of all lanes of v[b].
template <class Pick>
HWY_INLINE VF4 ReduceFour(const VF (&v)[kFour], Pick pick) {
  const F32 d;
  const hn::Repartition<double, F32> pairs;
  const auto interleave = [&](VF a, VF b) HWY_ATTR {
    return pick(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  };
  const auto low = hn::BitCast(pairs, interleave(v[0], v[1]));
  const auto high = hn::BitCast(pairs, interleave(v[2], v[3]));
  const VF all = pick(hn::BitCast(d, hn::InterleaveLower(pairs, low, high)),
                      hn::BitCast(d, hn::InterleaveUpper(pairs, low, high)));
  return FoldParts(d, all, pick);
}

/// Least or largest value, or magnitude, of each block of a batch.
template <bool kMagnitude, class Pick>
HWY_INLINE VF PickOfBatch(const float* x, Pick pick) {
  const F32 d;
  const auto load = [&](const float* p) HWY_ATTR {
    return kMagnitude ? hn::Abs(hn::LoadU(d, p)) : hn::LoadU(d, p);
  };
  HWY_ALIGN float picked[kBatch];
  for (std::size_t g = 0; g < kBatch; g += kFour) {
    VF v[kFour];
    for (std::size_t b = 0; b < kFour; ++b) {
      const float* const block = x + (g + b) * gd::kBlock;
      v[b] = load(block);
      for (std::size_t j = kF32Lanes; j < gd::kBlock; j += kF32Lanes) {
        v[b] = pick(v[b], load(block + j));
      }
    }
    hn::Store(ReduceFour(v, pick), hn::FixedTag<float, kFour>(), picked + g);
  }
  return hn::Load(d, picked);
}

/// What the headers of a batch of blocks say, and what encoding the blocks takes. An inverse that
/// is not finite marks a block for the scalar code.
struct Headers {
  HWY_ALIGN float least[kBatch];
  HWY_ALIGN float inverse[kBatch];
  HWY_ALIGN float stored[kBatch];  ///< the scale as binary16 keeps it
  HWY_ALIGN std::uint32_t scale_bits[kBatch];
  HWY_ALIGN std::uint32_t least_bits[kBatch];
  bool all_ordinary;

  bool ordinary(std::size_t b) const { return all_ordinary || std::isfinite(inverse[b]); }
};

/// Finite f32 to binary16 bits, in 32-bit lanes: the arithmetic of float_to_half without branches.
template <class D, class V = hn::VFromD<D>>
HWY_INLINE V HalfBits(D d, V bits) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<float, D> df;
  const auto below = [&](V v, std::uint32_t bound) HWY_ATTR {
    return hn::RebindMask(d, hn::Lt(hn::BitCast(di, v), hn::BitCast(di, hn::Set(d, bound))));
  };
  const V magnitude = hn::And(bits, hn::Set(d, 0x7FFFFFFFu));
  const V sign = hn::ShiftRight<16>(hn::AndNot(hn::Set(d, 0x7FFFFFFFu), bits));
  const V odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(d, 1u));
  const V rounded = hn::Add(hn::Add(magnitude, hn::Set(d, 0xFFFu - (112u << 23))), odd);
  const auto sum = hn::Add(hn::BitCast(df, magnitude), hn::Set(df, 0.5f));
  const V subnormal = hn::Sub(hn::BitCast(d, sum), hn::Set(d, 0x3F000000u));
  const V half =
      hn::IfThenElse(below(magnitude, 0x38800000u), subnormal, hn::ShiftRight<13>(rounded));
  return hn::Or(sign, hn::IfThenElse(below(magnitude, 0x477FF000u), half, hn::Set(d, 0x7C00u)));
}

/// binary16 bits in 32-bit lanes to f32, exactly, NaN made quiet. A subnormal is (1 + m/1024)·2^-14
/// less 2^-14, both of them normal.
template <class D, class V = hn::VFromD<D>>
HWY_INLINE V FromHalfBits(D d, V half) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<float, D> df;
  const auto above = [&](V v, std::uint32_t bound) HWY_ATTR {
    return hn::RebindMask(d, hn::Gt(hn::BitCast(di, v), hn::BitCast(di, hn::Set(d, bound))));
  };
  const V sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(d, 0x8000u)));
  const V magnitude = hn::ShiftLeft<13>(hn::And(half, hn::Set(d, 0x7FFFu)));
  const V normal = hn::Add(magnitude, hn::Set(d, 112u << 23));
  const auto raised = hn::BitCast(df, hn::Add(magnitude, hn::Set(d, 113u << 23)));
  const V subnormal = hn::BitCast(d, hn::Sub(raised, hn::Set(df, 0x1p-14f)));
  const V quiet = hn::IfThenElseZero(above(magnitude, 31u << 23), hn::Set(d, gd::kQuietBit));
  const V special = hn::Or(hn::Or(magnitude, hn::Set(d, gd::kInfinityBits)), quiet);
  V bits = hn::IfThenElse(above(magnitude, (1u << 23) - 1), normal, subnormal);
  bits = hn::IfThenElse(above(magnitude, (31u << 23) - 1), special, bits);
  return hn::Or(sign, bits);
}

/// Fills in all but `least` from the scales. A scale of zero has the inverse zero.
HWY_INLINE void SetScales(VF scale, Headers& h) {
  const F32 d;
  const U32 du;
  const auto zero = hn::Eq(scale, hn::Zero(d));
  const VF inverse = hn::IfThenZeroElse(zero, hn::Div(hn::Set(d, 1.0f), scale));
  const auto finite = hn::Lt(hn::Abs(inverse), hn::Set(d, HUGE_VALF));
  const auto half = HalfBits(du, hn::BitCast(du, scale));
  hn::Store(inverse, d, h.inverse);
  hn::Store(half, du, h.scale_bits);
  hn::Store(hn::BitCast(d, FromHalfBits(du, half)), d, h.stored);
  h.all_ordinary = hn::AllTrue(d, finite);
}

HWY_INLINE Headers HeadersQ8_0(const float* x) {
  Headers h;
  SetScales(hn::Div(PickOfBatch<true>(x, MostOf()), hn::Set(F32(), 127.0f)), h);
  return h;
}

/// The first value of largest magnitude of each block, with its sign; +0 for zeros.
HWY_INLINE VF SignedPeaks(const float* x) {
  const F32 d;
  const VF most = PickOfBatch<false>(x, MostOf());
  const VF least = PickOfBatch<false>(x, LeastOf());
  const VF peak = hn::IfThenElse(hn::Gt(most, hn::Neg(least)), most, least);
  const auto tie = hn::Eq(most, hn::Neg(least));
  if (HWY_LIKELY(hn::AllFalse(d, tie))) return peak;
  HWY_ALIGN float peaks[kBatch], magnitudes[kBatch];
  hn::Store(peak, d, peaks);
  hn::Store(most, d, magnitudes);
  for (std::size_t b = 0; b < kBatch; ++b) {
    const float* const block = x + b * gd::kBlock;
    if (magnitudes[b] != std::fabs(peaks[b])) continue;
    peaks[b] =
        magnitudes[b] == 0.0f ? 0.0f : *std::find_if(block, block + gd::kBlock, [&](float v) {
          return std::fabs(v) == magnitudes[b];
        });
  }
  return hn::Load(d, peaks);
}

/// Q4_0 (half = 8) and Q5_0 (half = 16).
HWY_INLINE Headers HeadersCentred(const float* x, int half) {
  Headers h;
  SetScales(hn::Div(SignedPeaks(x), hn::Set(F32(), static_cast<float>(-half))), h);
  return h;
}

/// Q4_1 (top = 15) and Q5_1 (top = 31).
HWY_INLINE Headers HeadersAffine(const float* x, int top) {
  const F32 d;
  const U32 du;
  Headers h;
  VF least = PickOfBatch<false>(x, LeastOf());
  const VF most = PickOfBatch<false>(x, MostOf());
  // The difference of zeros is +0 for ggml, whose least and largest are then one and the same zero.
  const VF range = hn::IfThenZeroElse(hn::Eq(most, least), hn::Sub(most, least));
  const VF scale = hn::Div(range, hn::Set(d, static_cast<float>(top)));
  hn::Store(least, d, h.least);
  if (!hn::AllFalse(d, hn::Eq(least, hn::Zero(d)))) {
    // Which zero it is shows in the stored minimum; the vector minimum does not say.
    for (std::size_t b = 0; b < kBatch; ++b) {
      const float* const block = x + b * gd::kBlock;
      if (h.least[b] == 0.0f) h.least[b] = *std::find(block, block + gd::kBlock, 0.0f);
    }
    least = hn::Load(d, h.least);
  }
  SetScales(scale, h);
  hn::Store(HalfBits(du, hn::BitCast(du, least)), du, h.least_bits);
  // A range that overflowed has the inverse zero; it must not pass for ordinary.
  if (!hn::AllTrue(d, hn::Lt(scale, hn::Set(d, HUGE_VALF)))) {
    h.all_ordinary = false;
    const VF inverse = hn::Load(d, h.inverse);
    const auto overflowed = hn::Eq(scale, hn::Set(d, HUGE_VALF));
    hn::Store(hn::IfThenElse(overflowed, hn::Set(d, HUGE_VALF), inverse), d, h.inverse);
  }
  return h;
}

HWY_INLINE void StoreHalf(std::uint32_t bits, std::uint8_t* y) {
  gd::store_u16(y, static_cast<std::uint16_t>(bits));
}

/// Codes by truncation of (x − least)·inverse + bias; at most top.
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

/// Each of these encodes block b of a batch, an ordinary one.
template <int kHalf>
HWY_INLINE void EncodeCentred(const float* x, const Headers& h, std::size_t b, std::uint8_t* y) {
  HWY_ALIGN std::uint8_t codes[gd::kBlock];
  TruncatedCodes(x, 0.0f, h.inverse[b], kHalf + 0.5f, 2 * kHalf - 1, codes);
  StoreHalf(h.scale_bits[b], y);
  if constexpr (kHalf == 16) StoreFifthBits(codes, y + 2);
  PackNibbles(codes, y + (kHalf == 16 ? 6 : 2));
}

template <int kTop>
HWY_INLINE void EncodeAffine(const float* x, const Headers& h, std::size_t b, std::uint8_t* y) {
  HWY_ALIGN std::uint8_t codes[gd::kBlock];
  TruncatedCodes(x, h.least[b], h.inverse[b], 0.5f, kTop, codes);
  StoreHalf(h.scale_bits[b], y);
  StoreHalf(h.least_bits[b], y + 2);
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

HWY_INLINE void EncodeQ8_0(const float* x, const Headers& h, std::size_t b, std::uint8_t* y) {
  const F32 d;
  const hn::Rebind<std::int8_t, I32> d8;
  StoreHalf(h.scale_bits[b], y);
  for (std::size_t j = 0; j < gd::kBlock; j += kF32Lanes) {
    const auto code = RoundAway(hn::Mul(hn::LoadU(d, x + j), hn::Set(d, h.inverse[b])));
    hn::StoreU(hn::DemoteTo(d8, code), d8, reinterpret_cast<std::int8_t*>(y + 2 + j));
  }
}

template <GgmlFormat kFormat>
HWY_INLINE Headers HeadersOf(const float* x) {
  if constexpr (kFormat == GgmlFormat::q8_0) return HeadersQ8_0(x);
  if constexpr (kFormat == GgmlFormat::q4_0) return HeadersCentred(x, 8);
  if constexpr (kFormat == GgmlFormat::q5_0) return HeadersCentred(x, 16);
  if constexpr (kFormat == GgmlFormat::q4_1) return HeadersAffine(x, 15);
  if constexpr (kFormat == GgmlFormat::q5_1) return HeadersAffine(x, 31);
}

/// Goes through blocks by batches. body(x, headers, b, i) handles an ordinary block, block i of the
/// call and b of its batch; odd(x, i) one that is for the scalar code.
template <GgmlFormat kFormat, class Body, class Odd>
HWY_INLINE void ForEachBlock(const float* x, std::size_t blocks, Body body, Odd odd) {
  for (std::size_t at = 0; at < blocks; at += kBatch, x += kBatch * gd::kBlock) {
    const std::size_t present = std::min(kBatch, blocks - at);
    HWY_ALIGN float padded[kBatch * gd::kBlock];
    const float* whole = x;
    if (HWY_UNLIKELY(present < kBatch)) {
      std::fill(std::copy_n(x, present * gd::kBlock, padded), std::end(padded), 1.0f);
      whole = padded;
    }
    const Headers h = HeadersOf<kFormat>(whole);
    for (std::size_t b = 0; b < present; ++b) {
      if (HWY_LIKELY(h.ordinary(b))) {
        body(x + b * gd::kBlock, h, b, at + b);
      } else {
        odd(x + b * gd::kBlock, at + b);
      }
    }
  }
}

template <GgmlFormat kFormat, auto kEncode>
void QuantizeByBatches(const float* x, std::uint8_t* y, std::size_t blocks) {
  constexpr std::size_t kBytes = ggml_info(kFormat).block_bytes;
  ForEachBlock<kFormat>(
      x, blocks,
      [=](const float* block, const Headers& h, std::size_t b, std::size_t i)
          HWY_ATTR { kEncode(block, h, b, y + i * kBytes); },
      [=](const float* block, std::size_t i) {
        gd::scalar_codec(kFormat).quantize(block, y + i * kBytes, 1);
      });
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
  const float magnitude = PeakMagnitude(x);
  if (magnitude == 0.0f) return 0.0f;
  const F32 d;
  for (std::size_t j = 0; j < gd::kBlock; j += kF32Lanes) {
    const auto v = hn::LoadU(d, x + j);
    const auto where = hn::FindFirstTrue(d, hn::Eq(hn::Abs(v), hn::Set(d, magnitude)));
    if (where >= 0) return x[j + static_cast<std::size_t>(where)];
  }
  return magnitude;
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
    const auto narrow = kFormat == GgmlFormat::f16 ? HalfBits(d, bits) : BrainBits(bits);
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
