#pragma once

// From a mode that is known at run time to code in which it is a constant.

#include "kernels/cuda/status.hpp"
#include "kernels/fp8.hpp"

namespace refute::kernels::cuda {

/// A mode as a type: nvcc's host stubs cannot spell a kernel's template argument of class type.
template <Fp8Format kFormat, Fp8Rounding kRounding, Fp8Overflow kOverflow>
struct ModeOf {
  static constexpr Fp8Mode kMode{kFormat, kRounding, kOverflow};
};

template <Fp8Format kFormat, class Use>
CudaStatus with_format_mode(Fp8Mode mode, Use use) {
  using enum Fp8Rounding;
  using enum Fp8Overflow;
  if (mode.rounding == ties_even) {
    return mode.overflow == satfinite
               ? use.template operator()<ModeOf<kFormat, ties_even, satfinite>>()
               : use.template operator()<ModeOf<kFormat, ties_even, nonsat>>();
  }
  return mode.overflow == satfinite
             ? use.template operator()<ModeOf<kFormat, ties_lower, satfinite>>()
             : use.template operator()<ModeOf<kFormat, ties_lower, nonsat>>();
}

template <class Use>
CudaStatus with_mode(Fp8Mode mode, Use use) {
  return mode.format == Fp8Format::e4m3 ? with_format_mode<Fp8Format::e4m3>(mode, use)
                                        : with_format_mode<Fp8Format::e5m2>(mode, use);
}

}  // namespace refute::kernels::cuda
