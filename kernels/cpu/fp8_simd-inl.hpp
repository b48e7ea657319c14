// The vector arithmetic of the FP8 codec, compiled once per instruction set. Only integer
// operations decide a code, so the bits cannot depend on the instruction set, the rounding mode or
// on subnormals being flushed. Include after hwy/highway.h; the guard toggles per target, as
// Highway's own -inl headers do.

#if defined(REFUTE_KERNELS_CPU_FP8_SIMD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_KERNELS_CPU_FP8_SIMD_INL
#undef REFUTE_KERNELS_CPU_FP8_SIMD_INL
#else
#define REFUTE_KERNELS_CPU_FP8_SIMD_INL
#endif

HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The numbers that distinguish one mode from another, all known when the loop is compiled.
template <Fp8Format kFormat, Fp8Rounding kRounding, Fp8Overflow kOverflow>
struct Fp8Codec {
  static constexpr bool kIsE4m3 = kFormat == Fp8Format::e4m3;
  static constexpr bool kSaturate = kOverflow == Fp8Overflow::satfinite;
  static constexpr int kMantissaBits = kIsE4m3 ? 3 : 2;
  static constexpr int kBias = kIsE4m3 ? 7 : 15;
  /// Magnitudes are clamped here before rounding: at the largest finite value, or at the value that
  /// the next code would have (480 and 65536), which rounding then reaches exactly when the result
  /// has to be NaN or infinity.
  static constexpr std::uint32_t kClamp =
      kIsE4m3 ? (kSaturate ? 0x43E00000u : 0x43F00000u) : (kSaturate ? 0x47600000u : 0x47800000u);
  /// With the E4M3 clamp at 480 every NaN lands on 0x7F by itself.
  static constexpr bool kNanNeedsMask = !(kIsE4m3 && !kSaturate);
  static constexpr int kTies = kRounding == Fp8Rounding::ties_even ? 1 : 0;
  static constexpr std::uint32_t kLeastNormal = static_cast<std::uint32_t>(128 - kBias) << 23;
  static constexpr std::uint32_t kRebias = static_cast<std::uint32_t>(127 - kBias) << 23;
  /// The f32 exponent field at which a subnormal's value is one half of its last place or more,
  /// below one whole.
  static constexpr int kHalfExponent = 127 - kBias - kMantissaBits;
};

/// Whether value > bound, for numbers below 2^31: the signed comparison is the one that every
/// instruction set has.
template <class D, class V = hn::VFromD<D>>
HWY_INLINE hn::Mask<D> Above(D d, V value, std::uint32_t bound) {
  const hn::RebindToSigned<D> di;
  return hn::RebindMask(d, hn::Gt(hn::BitCast(di, value), hn::BitCast(di, hn::Set(d, bound))));
}

/// value << count where count is 0 … 3, and 0 where it wrapped around below 0. Other counts give
/// something that the caller throws away.
template <class D, class V = hn::VFromD<D>>
HWY_INLINE V ShiftLeftOrZero(D d, V value, V count) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  (void)d;
  return hn::Shl(value, count);  // vpsllvd does just that
#else
  const V three = hn::Set(d, 3u);
  return hn::IfThenElseZero(hn::Eq(hn::And(count, three), count),
                            hn::Shl(value, hn::And(count, three)));
#endif
}

/// f32 bit patterns to codes, one per 32-bit lane, in the lane's low byte. Every magnitude becomes
/// a fixed-point number of codes with 24 fractional bits: for normals that is the encoding itself,
/// rebiased and shifted; below them it is the significand, shifted so that one unit is one
/// subnormal step. One rounding then serves both.
template <class Codec, class D, class V>
HWY_INLINE V EncodeLanes(D d, V bits) {
  const V magnitude = hn::And(bits, hn::Set(d, 0x7FFFFFFFu));
  const V clamped = hn::Min(magnitude, hn::Set(d, Codec::kClamp));
  const V normal =
      hn::ShiftLeft<4 - (3 - Codec::kMantissaBits)>(hn::Sub(clamped, hn::Set(d, Codec::kRebias)));

  const V significand = hn::OrAnd(hn::Set(d, 0x00800000u), clamped, hn::Set(d, 0x007FFFFFu));
  const V steps = hn::Sub(hn::ShiftRight<23>(clamped), hn::Set(d, Codec::kHalfExponent + 0u));
  const V subnormal = ShiftLeftOrZero(d, significand, steps);

  const V fixed = hn::IfThenElse(Above(d, clamped, Codec::kLeastNormal - 1), normal, subnormal);
  V rounded = hn::Add(fixed, hn::Set(d, 0x007FFFFFu));
  if constexpr (Codec::kTies == 1) {
    rounded = hn::Add(rounded, hn::And(hn::ShiftRight<24>(fixed), hn::Set(d, 1u)));
  }
  if constexpr (Codec::kNanNeedsMask) {
    rounded = hn::IfThenElse(Above(d, magnitude, 0x7F800000u), hn::Set(d, 0x7F000000u), rounded);
  }
  const V sign = hn::Set(d, 0x80000000u);
  return hn::ShiftRight<24>(hn::Or(hn::AndNot(sign, rounded), hn::And(sign, bits)));
}

/// Loads as many f32 bit patterns as D has lanes from IEEE binary16. Subnormal halves come out as
/// some value below 2^-14, not as their own: every magnitude below 2^-10 encodes to E4M3's zero, so
/// no code can tell.
struct HalfForE4m3 {
  template <class D>
  static HWY_INLINE hn::VFromD<D> Load(D d, const std::uint16_t* p) {
    const hn::Rebind<std::uint16_t, D> d16;
    const auto half = hn::PromoteTo(d, hn::LoadU(d16, p));
    const auto sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(d, 0x8000u)));
    const auto magnitude = hn::ShiftLeft<13>(hn::And(half, hn::Set(d, 0x7FFFu)));
    const auto special = Above(d, magnitude, 0x0F7FFFFFu);
    const auto widened = hn::Add(magnitude, hn::Set(d, 112u << 23));
    return hn::Or(sign,
                  hn::IfThenElse(special, hn::Or(magnitude, hn::Set(d, 0x7F800000u)), widened));
  }
};

struct Brain {
  template <class D>
  static HWY_INLINE hn::VFromD<D> Load(D d, const std::uint16_t* p) {
    const hn::Rebind<std::uint16_t, D> d16;
    return hn::ShiftLeft<16>(hn::PromoteTo(d, hn::LoadU(d16, p)));
  }
};

struct Single {
  template <class D>
  static HWY_INLINE hn::VFromD<D> Load(D d, const float* p) {
    return hn::BitCast(d, hn::LoadU(hn::Rebind<float, D>(), p));
  }
};

/// x / scale before encoding. IEEE division, not a product with the reciprocal: it is what the
/// contract states.
struct Quotient {
  float scale;
  template <class D>
  HWY_INLINE hn::VFromD<D> Load(D d, const float* p) const {
    const hn::Rebind<float, D> df;
    return hn::BitCast(d, hn::Div(hn::LoadU(df, p), hn::Set(df, scale)));
  }
};

/// Encodes whole vectors; what is left over goes through one vector padded with zeros, so nothing
/// beyond either span is touched.
template <class Codec, class Source, class T>
HWY_INLINE void EncodeLoop(Source source, const T* in, std::uint8_t* out, std::size_t count) {
  const hn::ScalableTag<std::uint32_t> d;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::TruncateTo(d8, EncodeLanes<Codec>(d, source.Load(d, in + i))), d8, out + i);
  }
  if (i == count) return;
  HWY_ALIGN T padded_in[hn::MaxLanes(d)] = {};
  HWY_ALIGN std::uint8_t padded_out[hn::MaxLanes(d)];
  std::copy(in + i, in + count, padded_in);
  hn::StoreU(hn::TruncateTo(d8, EncodeLanes<Codec>(d, source.Load(d, padded_in))), d8, padded_out);
  std::copy(padded_out, padded_out + (count - i), out + i);
}

/// binary16 to E5M2 in 16-bit lanes: E5M2 is binary16 with its last eight mantissa bits rounded
/// away.
template <class Codec>
HWY_INLINE void EncodeHalfToE5m2(const std::uint16_t* in, std::uint8_t* out, std::size_t count) {
  const hn::ScalableTag<std::uint16_t> d;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const std::size_t lanes = hn::Lanes(d);
  const auto encode = [&](auto half) HWY_ATTR {
    const auto magnitude = hn::And(half, hn::Set(d, std::uint16_t{0x7FFF}));
    const auto clamp = hn::Set(d, std::uint16_t{Codec::kSaturate ? 0x7B00 : 0x7C00});
    const auto clamped = hn::Min(magnitude, clamp);
    auto rounded = hn::Add(clamped, hn::Set(d, std::uint16_t{0x7F}));
    if constexpr (Codec::kTies == 1) {
      rounded = hn::Add(rounded, hn::And(hn::ShiftRight<8>(clamped), hn::Set(d, std::uint16_t{1})));
    }
    const auto is_nan = hn::Gt(magnitude, hn::Set(d, std::uint16_t{0x7C00}));
    rounded = hn::IfThenElse(is_nan, hn::Set(d, std::uint16_t{0x7F00}), rounded);
    const auto sign = hn::Set(d, std::uint16_t{0x8000});
    return hn::TruncateTo(
        d8, hn::ShiftRight<8>(hn::Or(hn::AndNot(sign, rounded), hn::And(sign, half))));
  };
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(encode(hn::LoadU(d, in + i)), d8, out + i);
  if (i == count) return;
  HWY_ALIGN std::uint16_t padded_in[hn::MaxLanes(d)] = {};
  HWY_ALIGN std::uint8_t padded_out[hn::MaxLanes(d)];
  std::copy(in + i, in + count, padded_in);
  hn::StoreU(encode(hn::LoadU(d, padded_in)), d8, padded_out);
  std::copy(padded_out, padded_out + (count - i), out + i);
}

/// Codes in 32-bit lanes to f32. A subnormal code is 2^(1-bias)·(1 + m/2^mantissa_bits) less
/// 2^(1-bias): both terms are normal floats, so the exact difference needs no subnormal arithmetic.
template <Fp8Format kFormat, class D>
HWY_INLINE hn::VFromD<hn::Rebind<float, D>> DecodeLanes(D d, hn::VFromD<D> code) {
  using Codec = Fp8Codec<kFormat, Fp8Rounding::ties_even, Fp8Overflow::satfinite>;
  constexpr int kShift = 23 - Codec::kMantissaBits;
  const hn::Rebind<float, D> df;
  const auto magnitude = hn::And(code, hn::Set(d, 0x7Fu));
  const auto in_place = hn::ShiftLeft<kShift>(magnitude);
  const auto normal = hn::Add(in_place, hn::Set(d, Codec::kRebias));
  const auto least_normal = hn::Set(d, Codec::kLeastNormal);
  const auto raised = hn::BitCast(df, hn::Or(in_place, least_normal));
  const auto subnormal = hn::BitCast(d, hn::Sub(raised, hn::BitCast(df, least_normal)));
  auto bits =
      hn::IfThenElse(Above(d, magnitude, (1u << Codec::kMantissaBits) - 1), normal, subnormal);
  constexpr std::uint32_t kFirstNan = kFormat == Fp8Format::e4m3 ? 0x7Fu : 0x7Du;
  bits = hn::IfThenElse(Above(d, magnitude, kFirstNan - 1), hn::Set(d, 0x7FC00000u), bits);
  if constexpr (kFormat == Fp8Format::e5m2) {
    bits = hn::IfThenElse(hn::Eq(magnitude, hn::Set(d, 0x7Cu)), hn::Set(d, 0x7F800000u), bits);
  }
  const auto sign = hn::ShiftLeft<24>(hn::And(code, hn::Set(d, 0x80u)));
  return hn::BitCast(df, hn::Or(bits, sign));
}

/// out[i] = decode(in[i]) · scale; a scale of exactly 1 leaves every value as it is.
template <Fp8Format kFormat>
HWY_INLINE void DecodeLoop(const std::uint8_t* in, float scale, float* out, std::size_t count) {
  const hn::ScalableTag<std::uint32_t> d;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const hn::Rebind<float, decltype(d)> df;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(df, scale);
  const auto decode = [&](const std::uint8_t* p) HWY_ATTR {
    return hn::Mul(DecodeLanes<kFormat>(d, hn::PromoteTo(d, hn::LoadU(d8, p))), factor);
  };
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(decode(in + i), df, out + i);
  if (i == count) return;
  HWY_ALIGN std::uint8_t padded_in[hn::MaxLanes(d)] = {};
  HWY_ALIGN float padded_out[hn::MaxLanes(d)];
  std::copy(in + i, in + count, padded_in);
  hn::StoreU(decode(padded_in), df, padded_out);
  std::copy(padded_out, padded_out + (count - i), out + i);
}

/// Bits of the largest magnitude. NaN and infinity are larger than every finite number when
/// compared as integers, so one pass both measures and finds out whether all is finite.
HWY_INLINE std::uint32_t MaxMagnitudeBits(const float* in, std::size_t count) {
  const hn::ScalableTag<std::uint32_t> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto mask = hn::Set(d, 0x7FFFFFFFu);
  auto most0 = hn::Zero(d);
  auto most1 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    most0 = hn::Max(most0, hn::And(mask, Single::Load(d, in + i)));
    most1 = hn::Max(most1, hn::And(mask, Single::Load(d, in + i + lanes)));
  }
  std::uint32_t most = hn::GetLane(hn::MaxOfLanes(d, hn::Max(most0, most1)));
  for (; i < count; ++i) most = std::max(most, std::bit_cast<std::uint32_t>(in[i]) & 0x7FFFFFFFu);
  return most;
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
