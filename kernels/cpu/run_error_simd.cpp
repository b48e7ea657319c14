// The pass over two runs on vectors: Highway compiles this file once per instruction set and picks
// one at the first call.

#include "kernels/cpu/ggml_blocks.hpp"
#include "kernels/cpu/run_error_lanes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/run_error_simd.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>
//
#include "kernels/cpu/ggml_simd_common-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

namespace rd = run_error_detail;

#if HWY_TARGET == HWY_SCALAR
RunError RunErrorOfTarget(StoredRun x, StoredRun y, std::size_t count) {
  return cpu_scalar::run_error(x, y, count);
}
#else

using F64 = hn::ScalableTag<double>;
using VD = hn::VFromD<F64>;
constexpr std::size_t kF64Lanes = hn::MaxLanes(F64());
constexpr std::size_t kParts = rd::kLanes / kF64Lanes;
static_assert(rd::kLanes % kF64Lanes == 0);

/// The next kF32Lanes values.
template <StoredFloat kType>
HWY_INLINE VF LoadValues(const void* data, std::size_t i) {
  const F32 d;
  if constexpr (kType == StoredFloat::f32) {
    return hn::LoadU(d, static_cast<const float*>(data) + i);
  } else {
    const auto* words = static_cast<const std::uint16_t*>(data) + i;
    const auto bits = hn::LoadU(hn::Rebind<std::uint16_t, F32>(), words);
    if constexpr (kType == StoredFloat::bf16) {
      return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(U32(), bits)));
    } else {
#if HWY_TARGET <= HWY_AVX2  // which has an instruction for it
      return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, F32>(), bits));
#else
      return hn::BitCast(d, FromHalfBits(U32(), hn::PromoteTo(U32(), bits)));
#endif
    }
  }
}

/// Sums of products in f64: lane j of part k is virtual lane k·kF64Lanes + j. Products of two f32
/// are exact in f64, so a fused multiply-add rounds where a separate addition would.
struct ProductLanes {
  VD part[kParts];

  HWY_INLINE ProductLanes() {
    for (VD& p : part) p = hn::Zero(F64());
  }
  template <std::size_t kPart>
  HWY_INLINE void add(VD a, VD b) {
    part[kPart] = hn::MulAdd(a, b, part[kPart]);
  }
  HWY_INLINE void store(rd::Sums::Lanes& to) const {
    for (std::size_t k = 0; k < kParts; ++k) hn::StoreU(part[k], F64(), to.data() + k * kF64Lanes);
  }
};

template <std::size_t kHalf>
HWY_INLINE VD Widen(VF v) {
  const hn::Half<F32> half;
  if constexpr (kHalf == 0) {
    return hn::PromoteTo(F64(), hn::LowerHalf(half, v));
  } else {
    return hn::PromoteTo(F64(), hn::UpperHalf(half, v));
  }
}

struct Accumulators {
  ProductLanes d2, x2, y2, xy;
  VI most;

  // Spelled out, because an implicit constructor is not compiled for the target.
  HWY_INLINE Accumulators() : d2(), x2(), y2(), xy(), most(hn::Zero(I32())) {}

  /// Values i … i + kF32Lanes − 1, where i mod 8 is kAt.
  template <std::size_t kAt>
  HWY_INLINE void add(VF x, VF y) {
    const VF d = hn::Sub(x, y);
    most = hn::Max(most, hn::And(hn::BitCast(I32(), d), hn::Set(I32(), 0x7FFFFFFF)));
    add_half<kAt / kF64Lanes % kParts, 0>(d, x, y);
    add_half<(kAt / kF64Lanes + 1) % kParts, 1>(d, x, y);
  }

 private:
  template <std::size_t kPart, std::size_t kHalf>
  HWY_INLINE void add_half(VF d, VF x, VF y) {
    const VD dd = Widen<kHalf>(d), xd = Widen<kHalf>(x), yd = Widen<kHalf>(y);
    d2.template add<kPart>(dd, dd);
    x2.template add<kPart>(xd, xd);
    y2.template add<kPart>(yd, yd);
    xy.template add<kPart>(xd, yd);
  }
};

template <StoredFloat kX, StoredFloat kY>
rd::Sums SumsOf(const void* x, const void* y, std::size_t count) {
  constexpr std::size_t kStep = HWY_MAX(kF32Lanes, rd::kLanes);
  const std::size_t whole = count - count % kStep;
  Accumulators a;
  for (std::size_t i = 0; i < whole; i += kStep) {
    a.template add<0>(LoadValues<kX>(x, i), LoadValues<kY>(y, i));
    if constexpr (kF32Lanes < rd::kLanes) {
      constexpr std::size_t kNext = kF32Lanes;
      a.template add<kNext>(LoadValues<kX>(x, i + kNext), LoadValues<kY>(y, i + kNext));
    }
  }
  rd::Sums sums;
  a.d2.store(sums.d2);
  a.x2.store(sums.x2);
  a.y2.store(sums.y2);
  a.xy.store(sums.xy);
  sums.most_bits = static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(I32(), a.most)));
  rd::add_values<kX, kY>(x, y, whole, count, sums);
  return sums;
}

RunError RunErrorOfTarget(StoredRun x, StoredRun y, std::size_t count) {
  return rd::error_of(rd::with_types(x.type, y.type, [&]<StoredFloat kX, StoredFloat kY>() {
    return SumsOf<kX, kY>(x.data, y.data, count);
  }));
}
#endif

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refute::kernels {

HWY_EXPORT(RunErrorOfTarget);

namespace cpu_simd {

RunError run_error(StoredRun x, StoredRun y, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(RunErrorOfTarget)(x, y, count);
}

/// Asked once per tensor, for one piece: not worth vectors.
std::size_t run_error_index(StoredRun x, StoredRun y, std::size_t count, float max_abs) {
  return cpu_scalar::run_error_index(x, y, count, max_abs);
}

}  // namespace cpu_simd
}  // namespace refute::kernels
#endif  // HWY_ONCE
