// Vector types and conversions that the block formats share, compiled once per instruction set.
// Include after hwy/highway.h; the guard toggles per target.

#if defined(REFUTE_KERNELS_CPU_GGML_SIMD_COMMON_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef REFUTE_KERNELS_CPU_GGML_SIMD_COMMON_INL
#undef REFUTE_KERNELS_CPU_GGML_SIMD_COMMON_INL
#else
#define REFUTE_KERNELS_CPU_GGML_SIMD_COMMON_INL
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

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif  // per-target guard
