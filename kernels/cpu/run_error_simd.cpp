// The pass over two runs on vectors: Highway compiles this file once per instruction set and picks
// one at the first call.

#include "kernels/cpu/ggml_blocks.hpp"
#include "kernels/cpu/run_error_lanes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/run_error_simd.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/cache_control.h>
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

/// Values that are widened, subtracted and summed at a time. Conversions from f32 to f64 cost half
/// as much from memory as from registers, so each step goes through a buffer in the first-level
/// cache.
constexpr std::size_t kTile = 128;
static_assert(kTile % kF32Lanes == 0 && kTile % rd::kLanes == 0);

/// A tile's values as f32: where they are, or in the buffer.
template <StoredFloat kType>
HWY_INLINE const float* Widened(const void* data, std::size_t from, std::size_t count,
                                float* buffer) {
  if constexpr (kType == StoredFloat::f32) return static_cast<const float*>(data) + from;
  for (std::size_t i = 0; i < count; i += kF32Lanes)
    hn::Store(LoadValues<kType>(data, from + i), F32(), buffer + i);
  return buffer;
}

/// The larger of `so_far` and |d|'s bits, in which NaN is above infinity.
HWY_INLINE VI Raised(VI so_far, VF d) {
  return hn::Max(so_far, hn::And(hn::BitCast(I32(), d), hn::Set(I32(), 0x7FFFFFFF)));
}

/// d = x − y, and the bits of the largest |d|.
HWY_INLINE VI Differences(const float* x, const float* y, std::size_t count, float* d, VI most) {
  VI most0 = most, most1 = most;
  const auto step = [&](std::size_t i, VI so_far) HWY_ATTR {
    const VF difference = hn::Sub(hn::LoadU(F32(), x + i), hn::LoadU(F32(), y + i));
    hn::Store(difference, F32(), d + i);
    return Raised(so_far, difference);
  };
  std::size_t i = 0;
  for (; i + 2 * kF32Lanes <= count; i += 2 * kF32Lanes) {
    most0 = step(i, most0);
    most1 = step(i + kF32Lanes, most1);
  }
  for (; i < count; i += kF32Lanes) most0 = step(i, most0);
  return hn::Max(most0, most1);
}

/// Widens x and takes d = x − y in one go: three sums have no use for y itself.
template <StoredFloat kType>
HWY_INLINE VI WidenedDifferences(const void* x, const void* y, std::size_t from, std::size_t count,
                                 float* xs, float* ds, VI most) {
  for (std::size_t i = 0; i < count; i += kF32Lanes) {
    const VF xf = LoadValues<kType>(x, from + i);
    const VF difference = hn::Sub(xf, LoadValues<kType>(y, from + i));
    hn::Store(xf, F32(), xs + i);
    hn::Store(difference, F32(), ds + i);
    most = Raised(most, difference);
  }
  return most;
}

/// How many of a tile's values differ in their bits. U is an unsigned integer as wide as a value.
template <StoredFloat kType, class U>
HWY_INLINE std::uint64_t WordsThatDiffer(const void* x, const void* y, std::size_t from,
                                         std::size_t count) {
  static_assert(sizeof(U) == bytes_of(kType));
  const hn::ScalableTag<U> d;
  const auto *xw = static_cast<const U*>(x) + from, *yw = static_cast<const U*>(y) + from;
  std::uint64_t different = 0;
  std::size_t i = 0;
  for (; i + hn::MaxLanes(d) <= count; i += hn::MaxLanes(d))
    different += hn::CountTrue(d, hn::Ne(hn::LoadU(d, xw + i), hn::LoadU(d, yw + i)));
  for (; i < count; ++i) different += rd::differs<kType, kType>(x, y, from + i);
  return different;
}

template <StoredFloat kX, StoredFloat kY>
HWY_INLINE std::uint64_t Different(const void* x, const void* y, std::size_t from,
                                   std::size_t count) {
  if constexpr (kX != kY) return 0;
  if constexpr (bytes_of(kX) == 2) return WordsThatDiffer<kX, std::uint16_t>(x, y, from, count);
  if constexpr (bytes_of(kX) == 4) return WordsThatDiffer<kX, std::uint32_t>(x, y, from, count);
}

/// Sums of products in f64: lane j of part k is virtual lane k·kF64Lanes + j. Products of two f32
/// are exact in f64, so a fused multiply-add rounds where a separate addition would.
struct ProductLanes {
  VD part[kParts];

  HWY_INLINE ProductLanes() {
    for (VD& p : part) p = hn::Zero(F64());
  }
  HWY_INLINE void store(rd::Sums::Lanes& to) const {
    for (std::size_t k = 0; k < kParts; ++k) hn::StoreU(part[k], F64(), to.data() + k * kF64Lanes);
  }
};

struct Accumulators {
  ProductLanes d2, x2, y2, xy;

  // Spelled out, because an implicit constructor is not compiled for the target.
  HWY_INLINE Accumulators() : d2(), x2(), y2(), xy() {}

  HWY_INLINE void add(const float* d, const float* x, const float* y, std::size_t count) {
    const hn::Rebind<float, F64> df;
    for (std::size_t i = 0; i < count; i += rd::kLanes) {
      for (std::size_t k = 0; k < kParts; ++k) {
        const std::size_t j = i + k * kF64Lanes;
        const VD dd = hn::PromoteTo(F64(), hn::LoadU(df, d + j));
        const VD xd = hn::PromoteTo(F64(), hn::LoadU(df, x + j));
        const VD yd = hn::PromoteTo(F64(), hn::LoadU(df, y + j));
        d2.part[k] = hn::MulAdd(dd, dd, d2.part[k]);
        x2.part[k] = hn::MulAdd(xd, xd, x2.part[k]);
        y2.part[k] = hn::MulAdd(yd, yd, y2.part[k]);
        xy.part[k] = hn::MulAdd(xd, yd, xy.part[k]);
      }
    }
  }
};

struct ThreeAccumulators {
  ProductLanes d2, x2, xd;

  HWY_INLINE ThreeAccumulators() : d2(), x2(), xd() {}

  HWY_INLINE void add(const float* d, const float* x, std::size_t count) {
    const hn::Rebind<float, F64> df;
    for (std::size_t i = 0; i < count; i += rd::kLanes) {
      for (std::size_t k = 0; k < kParts; ++k) {
        const std::size_t j = i + k * kF64Lanes;
        const VD dd = hn::PromoteTo(F64(), hn::LoadU(df, d + j));
        const VD xv = hn::PromoteTo(F64(), hn::LoadU(df, x + j));
        d2.part[k] = hn::MulAdd(dd, dd, d2.part[k]);
        x2.part[k] = hn::MulAdd(xv, xv, x2.part[k]);
        xd.part[k] = hn::MulAdd(xv, dd, xd.part[k]);
      }
    }
  }
};

/// Hardware fetches ahead within a page; across its end this does. A few tiles, so that the bytes
/// are there when they are wanted.
template <StoredFloat kType>
HWY_INLINE void FetchAhead(const void* data, std::size_t at) {
  constexpr std::size_t kAhead = 2048, kLine = 64;
  const char* from = static_cast<const char*>(data) + at * bytes_of(kType) + kAhead;
  for (std::size_t i = 0; i < kTile * bytes_of(kType); i += kLine) hwy::Prefetch(from + i);
}

/// So many values go through vectors; what is left of the run goes one by one.
HWY_INLINE std::size_t WholeSteps(std::size_t count) {
  return count - count % HWY_MAX(kF32Lanes, rd::kLanes);
}

HWY_INLINE std::uint32_t Largest(VI most) {
  return static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(I32(), most)));
}

template <StoredFloat kX, StoredFloat kY>
rd::Sums SumsOf(const void* x, const void* y, std::size_t count) {
  const std::size_t whole = WholeSteps(count);
  HWY_ALIGN float xs[kTile], ys[kTile], ds[kTile];
  Accumulators a;
  VI most = hn::Zero(I32());
  rd::Sums sums;
  for (std::size_t at = 0; at < whole; at += kTile) {
    const std::size_t n = HWY_MIN(kTile, whole - at);
    FetchAhead<kX>(x, at);
    FetchAhead<kY>(y, at);
    const float* xf = Widened<kX>(x, at, n, xs);
    const float* yf = Widened<kY>(y, at, n, ys);
    most = Differences(xf, yf, n, ds, most);
    a.add(ds, xf, yf, n);
    sums.different += Different<kX, kY>(x, y, at, n);
  }
  a.d2.store(sums.d2);
  a.x2.store(sums.x2);
  a.y2.store(sums.y2);
  a.xy.store(sums.xy);
  sums.most_bits = Largest(most);
  rd::add_values<kX, kY>(x, y, whole, count, sums);
  return sums;
}

template <StoredFloat kType>
rd::ThreeSums ThreeSumsOf(const void* x, const void* y, std::size_t count) {
  const std::size_t whole = WholeSteps(count);
  HWY_ALIGN float xs[kTile], ds[kTile];
  ThreeAccumulators a;
  VI most = hn::Zero(I32());
  rd::ThreeSums sums;
  for (std::size_t at = 0; at < whole; at += kTile) {
    const std::size_t n = HWY_MIN(kTile, whole - at);
    FetchAhead<kType>(x, at);
    FetchAhead<kType>(y, at);
    most = WidenedDifferences<kType>(x, y, at, n, xs, ds, most);
    a.add(ds, xs, n);
    sums.different += Different<kType, kType>(x, y, at, n);
  }
  a.d2.store(sums.d2);
  a.x2.store(sums.x2);
  a.xd.store(sums.xd);
  sums.most_bits = Largest(most);
  rd::add_values<kType, kType>(x, y, whole, count, sums);
  return sums;
}

RunError RunErrorOfTarget(StoredRun x, StoredRun y, std::size_t count) {
  return rd::with_types(x.type, y.type, [&]<StoredFloat kX, StoredFloat kY>() {
    return rd::error_by<kX, kY>([&] { return ThreeSumsOf<kX>(x.data, y.data, count); },
                                [&] { return SumsOf<kX, kY>(x.data, y.data, count); });
  });
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
