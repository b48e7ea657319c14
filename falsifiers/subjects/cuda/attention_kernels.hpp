#pragma once

// The device's attention with the signatures of kernels/attention.hpp, so that what drives the
// CPU's kernels can drive it: `cuda_attention` stands where a backend's namespace does. Before the
// first call, require_cuda_device (device_gate.hpp).

#include <span>

#include "falsifiers/subjects/cuda/device_gate.hpp"
#include "harness/worker/errors.hpp"
#include "kernels/cuda/attention_cuda.hpp"

namespace refute::falsifiers::cuda_attention {

using kernels::AttentionCall;
using kernels::AttentionStatus;

/// Throws as `demand` says when the device cannot do its part.
template <class T>
AttentionStatus attention_naive(const AttentionCall& call, std::span<const T> q,
                                std::span<const T> k, std::span<const T> v, std::span<T> out) {
  const auto answer = kernels::cuda::attention_naive(call, q, k, v, out);
  demand(answer.cuda);
  return answer.value;
}

/// Also declines, as not served, what the matrix units do not take: f32 tensors, and probabilities
/// that are not rounded to the storage type.
template <class T>
AttentionStatus attention_flash2(const AttentionCall& call, std::span<const T> q,
                                 std::span<const T> k, std::span<const T> v, std::span<T> out) {
  const auto answer = kernels::cuda::attention_flash2(call, q, k, v, out);
  demand(answer.cuda);
  return answer.value;
}
template <>
inline AttentionStatus attention_flash2<float>(const AttentionCall&, std::span<const float>,
                                               std::span<const float>, std::span<const float>,
                                               std::span<float>) {
  throw worker::SubjectDeclined(DeclineReason::not_served,
                                "flash2 on the device is made for f16 and bf16");
}

}  // namespace refute::falsifiers::cuda_attention
