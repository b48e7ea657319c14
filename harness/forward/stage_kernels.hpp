#pragma once

#include "kernels/decoder.hpp"

namespace refute::forward {

/// The operations of one arithmetic.
struct StageKernels {
  decltype(&kernels::cpu_reference::linear) linear;
  decltype(&kernels::cpu_reference::add_bias) add_bias;
  decltype(&kernels::cpu_reference::rmsnorm) rmsnorm;
  decltype(&kernels::cpu_reference::rope) rope;
  decltype(&kernels::cpu_reference::attention_scores) attention_scores;
  decltype(&kernels::cpu_reference::attention_softmax) attention_softmax;
  decltype(&kernels::cpu_reference::attention_mix) attention_mix;
  decltype(&kernels::cpu_reference::silu) silu;
  decltype(&kernels::cpu_reference::multiply) multiply;
  decltype(&kernels::cpu_reference::add) add;
};

#define REFUTE_STAGE_KERNELS(N)                                                                   \
  {                                                                                               \
    &N::linear, &N::add_bias, &N::rmsnorm, &N::rope, &N::attention_scores, &N::attention_softmax, \
        &N::attention_mix, &N::silu, &N::multiply, &N::add                                        \
  }
inline constexpr StageKernels kReferenceKernels = REFUTE_STAGE_KERNELS(kernels::cpu_reference);
inline constexpr StageKernels kFastKernels = REFUTE_STAGE_KERNELS(kernels::cpu_fast);
#undef REFUTE_STAGE_KERNELS

}  // namespace refute::forward
