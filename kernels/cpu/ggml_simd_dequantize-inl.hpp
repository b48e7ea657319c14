// Dequantisers, compiled once per instruction set: codes are unpacked sixteen bytes at a time into
// a buffer, then scaled. Include after ggml_simd_plain-inl.hpp; the guard toggles per target.

#if defined(REFUTE_KERNELS_CPU_GGML_SIMD_DEQUANTIZE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_KERNELS_CPU_GGML_SIMD_DEQUANTIZE_INL
#undef REFUTE_KERNELS_CPU_GGML_SIMD_DEQUANTIZE_INL
#else
#define REFUTE_KERNELS_CPU_GGML_SIMD_DEQUANTIZE_INL
#endif

#if HWY_TARGET != HWY_SCALAR  // which has no vectors: the scalar kernels serve it
HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

using U16x8 = hn::FixedTag<std::uint16_t, 8>;
using V16 = hn::VFromD<U8x16>;

HWY_INLINE V16 LoadSixteen(const std::uint8_t* p) {
  return hn::LoadU(U8x16(), p);
}

HWY_INLINE void StoreCodes(V16 codes, std::int8_t* out) {
  hn::Store(hn::BitCast(hn::RebindToSigned<U8x16>(), codes), hn::RebindToSigned<U8x16>(), out);
}

/// The low bits of every byte after a shift to the right; what comes in from the neighbouring byte
/// is masked off.
template <int kShift>
HWY_INLINE V16 BitsAt(V16 v, std::uint8_t mask) {
  const U16x8 d16;
  const auto shifted = hn::BitCast(U8x16(), hn::ShiftRight<kShift>(hn::BitCast(d16, v)));
  return hn::And(shifted, hn::Set(U8x16(), mask));
}

/// One bit of every byte, moved to bit kTo.
template <int kFrom, int kTo>
HWY_INLINE V16 BitMoved(V16 v) {
  return hn::ShiftLeft<kTo>(BitsAt<kFrom>(v, 1));
}

/// x = code·scale − offset. With an offset of +0 that is code·scale, bit for bit.
template <std::size_t kCount>
HWY_INLINE void Scale(const std::int8_t* codes, float scale, float offset, float* x) {
  const F32 d;
  const I32 di;
  const hn::Rebind<std::int8_t, I32> d8;
  for (std::size_t j = 0; j < kCount; j += kF32Lanes) {
    const auto q = hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(d8, codes + j)));
    hn::StoreU(hn::Sub(hn::Mul(q, hn::Set(d, scale)), hn::Set(d, offset)), d, x + j);
  }
}

HWY_INLINE void UnpackNibbles(const std::uint8_t* in, std::int8_t* codes) {
  const V16 both = LoadSixteen(in);
  StoreCodes(BitsAt<0>(both, 15), codes);
  StoreCodes(BitsAt<4>(both, 15), codes + 16);
}

/// Adds to 32 codes: 16 where the fifth bit is set, and `bias`.
HWY_INLINE void AddFifthBits(const std::uint8_t* high, std::int8_t bias, std::int8_t* codes) {
  const hn::RebindToSigned<U8x16> d;
  for (std::size_t h = 0; h < 2; ++h) {
    std::uint8_t bits[8] = {high[2 * h], high[2 * h + 1]};  // LoadMaskBits may read eight bytes
    const auto sixteen = hn::IfThenElseZero(hn::LoadMaskBits(d, bits), hn::Set(d, std::int8_t{16}));
    const auto sum = hn::Add(hn::Load(d, codes + 16 * h), hn::Add(sixteen, hn::Set(d, bias)));
    hn::Store(sum, d, codes + 16 * h);
  }
}

HWY_INLINE void AddBias(std::int8_t bias, std::int8_t* codes) {
  const hn::RebindToSigned<U8x16> d;
  for (std::size_t j = 0; j < gd::kBlock; j += 16) {
    hn::Store(hn::Add(hn::Load(d, codes + j), hn::Set(d, bias)), d, codes + j);
  }
}

HWY_INLINE void DequantizeQ4_0(const std::uint8_t* y, float* x) {
  HWY_ALIGN std::int8_t codes[gd::kBlock];
  UnpackNibbles(y + 2, codes);
  AddBias(-8, codes);
  Scale<gd::kBlock>(codes, gd::load_half(y), 0.0f, x);
}

HWY_INLINE void DequantizeQ4_1(const std::uint8_t* y, float* x) {
  HWY_ALIGN std::int8_t codes[gd::kBlock];
  UnpackNibbles(y + 4, codes);
  Scale<gd::kBlock>(codes, gd::load_half(y), -gd::load_half(y + 2), x);
}

HWY_INLINE void DequantizeQ5_0(const std::uint8_t* y, float* x) {
  HWY_ALIGN std::int8_t codes[gd::kBlock];
  UnpackNibbles(y + 6, codes);
  AddFifthBits(y + 2, -16, codes);
  Scale<gd::kBlock>(codes, gd::load_half(y), 0.0f, x);
}

HWY_INLINE void DequantizeQ5_1(const std::uint8_t* y, float* x) {
  HWY_ALIGN std::int8_t codes[gd::kBlock];
  UnpackNibbles(y + 8, codes);
  AddFifthBits(y + 4, 0, codes);
  Scale<gd::kBlock>(codes, gd::load_half(y), -gd::load_half(y + 2), x);
}

HWY_INLINE void DequantizeQ8_0(const std::uint8_t* y, float* x) {
  Scale<gd::kBlock>(reinterpret_cast<const std::int8_t*>(y + 2), gd::load_half(y), 0.0f, x);
}

/// IQ4_NL and MXFP4.
HWY_INLINE void DequantizeByTable(const std::uint8_t* nibbles,
                                  const std::array<std::int8_t, 16>& values, float scale,
                                  float* x) {
  HWY_ALIGN std::uint8_t codes[gd::kBlock];
  HWY_ALIGN std::int8_t looked_up[gd::kBlock];
  UnpackNibbles(nibbles, reinterpret_cast<std::int8_t*>(codes));
  LookUp(values, codes, looked_up);
  Scale<gd::kBlock>(looked_up, scale, 0.0f, x);
}

HWY_INLINE void DequantizeIq4Nl(const std::uint8_t* y, float* x) {
  DequantizeByTable(y + 2, gd::kIq4NlValues, gd::load_half(y), x);
}

HWY_INLINE void DequantizeMxfp4(const std::uint8_t* y, float* x) {
  DequantizeByTable(y + 1, gd::kMxfp4Values, gd::e8m0_half(y[0]), x);
}

/// Two-bit codes of values 32·(4h + p) + l, for one half h and one vector of l.
HWY_INLINE void UnpackPairs(V16 v, std::int8_t* codes) {
  StoreCodes(BitsAt<0>(v, 3), codes);
  StoreCodes(BitsAt<2>(v, 3), codes + 32);
  StoreCodes(BitsAt<4>(v, 3), codes + 64);
  StoreCodes(BitsAt<6>(v, 3), codes + 96);
}

HWY_INLINE void DequantizeQ2K(const std::uint8_t* y, float* x) {
  HWY_ALIGN std::int8_t codes[gd::kSuper];
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t l = 0; l < 32; l += 16) {
      UnpackPairs(LoadSixteen(y + gd::Q2k::codes + 32 * h + l), codes + 128 * h + l);
    }
  }
  const float d = gd::load_half(y + gd::Q2k::d), dmin = gd::load_half(y + gd::Q2k::dmin);
  for (std::size_t s = 0; s < 16; ++s) {
    const std::uint8_t scales = y[gd::Q2k::scales + s];
    Scale<16>(codes + 16 * s, d * static_cast<float>(scales & 15),
              dmin * static_cast<float>(scales >> 4), x + 16 * s);
  }
}

/// Adds the high bits of values 32·(4h + p) + l to their pairs and takes 4 off.
template <int kHalf>
HWY_INLINE void AddThirdBits(V16 high, std::int8_t* codes) {
  const U8x16 d;
  const auto add = [&](V16 bits, std::int8_t* at) HWY_ATTR {
    const hn::RebindToSigned<U8x16> ds;
    const auto code = hn::Or(hn::BitCast(d, hn::Load(ds, at)), bits);
    StoreCodes(hn::Sub(code, hn::Set(d, std::uint8_t{4})), at);
  };
  add(BitMoved<4 * kHalf, 2>(high), codes);
  add(BitMoved<4 * kHalf + 1, 2>(high), codes + 32);
  add(BitMoved<4 * kHalf + 2, 2>(high), codes + 64);
  add(BitMoved<4 * kHalf + 3, 2>(high), codes + 96);
}

HWY_INLINE void DequantizeQ3K(const std::uint8_t* y, float* x) {
  HWY_ALIGN std::int8_t codes[gd::kSuper];
  for (std::size_t l = 0; l < 32; l += 16) {
    const V16 high = LoadSixteen(y + gd::Q3k::high + l);
    UnpackPairs(LoadSixteen(y + gd::Q3k::codes + l), codes + l);
    UnpackPairs(LoadSixteen(y + gd::Q3k::codes + 32 + l), codes + 128 + l);
    AddThirdBits<0>(high, codes + l);
    AddThirdBits<1>(high, codes + 128 + l);
  }
  const float d = gd::load_half(y + gd::Q3k::d);
  const auto scales = gd::unpack_q3_scales(y + gd::Q3k::scales);
  for (std::size_t s = 0; s < 16; ++s) Scale<16>(codes + 16 * s, d * scales[s], 0.0f, x + 16 * s);
}

/// Nibbles of values 64·p + l and 64·p + l + 32.
HWY_INLINE void UnpackLongNibbles(const std::uint8_t* in, std::int8_t* codes) {
  for (std::size_t i = 0; i < gd::kSuper / 2; i += 16) {
    const V16 both = LoadSixteen(in + i);
    std::int8_t* const at = codes + 2 * (i - i % 32) + i % 32;
    StoreCodes(BitsAt<0>(both, 15), at);
    StoreCodes(BitsAt<4>(both, 15), at + 32);
  }
}

HWY_INLINE void ScaleSubBlocks(const std::int8_t* codes, const std::uint8_t* header, float* x) {
  const float d = gd::load_half(header + gd::Q4k::d), dmin = gd::load_half(header + gd::Q4k::dmin);
  const gd::ScaleMins s = gd::unpack_scale_mins(header + gd::Q4k::scales);
  for (std::size_t j = 0; j < 8; ++j) {
    Scale<32>(codes + 32 * j, d * s.scale[j], dmin * s.least[j], x + 32 * j);
  }
}

HWY_INLINE void DequantizeQ4K(const std::uint8_t* y, float* x) {
  HWY_ALIGN std::int8_t codes[gd::kSuper];
  UnpackLongNibbles(y + gd::Q4k::codes, codes);
  ScaleSubBlocks(codes, y, x);
}

template <int kPart>
HWY_INLINE void AddFifthBitsOfPart(V16 high, std::int8_t* codes) {
  const hn::RebindToSigned<U8x16> d;
  std::int8_t* const at = codes + 32 * kPart;
  hn::Store(hn::Or(hn::Load(d, at), hn::BitCast(d, BitMoved<kPart, 4>(high))), d, at);
}

HWY_INLINE void DequantizeQ5K(const std::uint8_t* y, float* x) {
  HWY_ALIGN std::int8_t codes[gd::kSuper];
  UnpackLongNibbles(y + gd::Q5k::codes, codes);
  for (std::size_t l = 0; l < 32; l += 16) {
    const V16 high = LoadSixteen(y + gd::Q5k::high + l);
    AddFifthBitsOfPart<0>(high, codes + l);
    AddFifthBitsOfPart<1>(high, codes + l);
    AddFifthBitsOfPart<2>(high, codes + l);
    AddFifthBitsOfPart<3>(high, codes + l);
    AddFifthBitsOfPart<4>(high, codes + l);
    AddFifthBitsOfPart<5>(high, codes + l);
    AddFifthBitsOfPart<6>(high, codes + l);
    AddFifthBitsOfPart<7>(high, codes + l);
  }
  ScaleSubBlocks(codes, y, x);
}

/// low | high·16 − 32, where kGroup says which two bits of `high`.
template <int kGroup>
HWY_INLINE void StoreSixBits(V16 low, V16 high, std::int8_t* out) {
  const U8x16 d;
  const auto code = hn::Or(low, hn::ShiftLeft<4>(BitsAt<2 * kGroup>(high, 3)));
  StoreCodes(hn::Sub(code, hn::Set(d, std::uint8_t{32})), out + 32 * kGroup);
}

HWY_INLINE void DequantizeQ6K(const std::uint8_t* y, float* x) {
  HWY_ALIGN std::int8_t codes[gd::kSuper];
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t l = 0; l < 32; l += 16) {
      const V16 first = LoadSixteen(y + gd::Q6k::low + 64 * h + l);
      const V16 second = LoadSixteen(y + gd::Q6k::low + 64 * h + 32 + l);
      const V16 high = LoadSixteen(y + gd::Q6k::high + 32 * h + l);
      std::int8_t* const at = codes + 128 * h + l;
      StoreSixBits<0>(BitsAt<0>(first, 15), high, at);
      StoreSixBits<1>(BitsAt<0>(second, 15), high, at);
      StoreSixBits<2>(BitsAt<4>(first, 15), high, at);
      StoreSixBits<3>(BitsAt<4>(second, 15), high, at);
    }
  }
  const float d = gd::load_half(y + gd::Q6k::d);
  for (std::size_t s = 0; s < 16; ++s) {
    const auto scale = static_cast<std::int8_t>(y[gd::Q6k::scales + s]);
    Scale<16>(codes + 16 * s, d * scale, 0.0f, x + 16 * s);
  }
}

template <GgmlFormat kFormat>
void DequantizeSixteenBits(const std::uint8_t* y, float* x, std::size_t count) {
  const U32 d;
  const F32 df;
  const hn::Rebind<std::uint16_t, U32> d16;
  const hn::Repartition<std::uint8_t, decltype(d16)> d8;
  std::size_t i = 0;
  for (; i + kF32Lanes <= count; i += kF32Lanes) {
    const auto wide = hn::PromoteTo(d, hn::BitCast(d16, hn::LoadU(d8, y + 2 * i)));
    const auto bits = kFormat == GgmlFormat::f16 ? FromHalfBits(d, wide) : hn::ShiftLeft<16>(wide);
    hn::StoreU(hn::BitCast(df, bits), df, x + i);
  }
  gd::scalar_codec(kFormat).dequantize(y + 2 * i, x + i, count - i);
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif  // per-target guard
