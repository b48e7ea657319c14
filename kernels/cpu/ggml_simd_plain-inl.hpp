// Quantisers of the formats of 32 values and of the 16-bit floats, compiled once per instruction
// set. Vectors handle the ordinary block; a block whose inverse scale is not finite (a peak below
// about 1e-37) or whose range overflows goes to the scalar code, which defines what becomes of it.
// Include after ggml_simd_headers-inl.hpp; the guard toggles per target.

#if defined(REFUTE_KERNELS_CPU_GGML_SIMD_PLAIN_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_KERNELS_CPU_GGML_SIMD_PLAIN_INL
#undef REFUTE_KERNELS_CPU_GGML_SIMD_PLAIN_INL
#else
#define REFUTE_KERNELS_CPU_GGML_SIMD_PLAIN_INL
#endif

#if HWY_TARGET != HWY_SCALAR  // which has no vectors: the scalar kernels serve it
HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

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
