#pragma once

// Forward attention on the device: kernels/attention.hpp's algorithms under the same names, for
// the same calls. Spans as in fp8_cuda.hpp; `threads` of the call is without meaning here.
//
// attention_flash2 works on the matrix units (mma.m16n8k16, sums in f32): f16 and bf16, head_dim 64
// and 128, full and causal, any grouping of heads, any lengths. Probabilities are rounded to the
// storage type before they meet V, because the unit takes nothing else; a call that wants them kept
// is `unsupported`. The scale is multiplied by log2(e) first, so one above
// 2.3e38 is refused as not finite. The bits of a row depend neither on the rows it is computed with
// nor on the batch, as long as keys are not cut into runs.

#include <span>

#include "kernels/attention.hpp"
#include "kernels/cuda/status.hpp"

namespace refute::kernels::cuda {

/// Into how many runs the keys of a call are cut, which are worked on apart and merged. More than
/// one keeps a device busy where there are few rows, as in a decode step over many keys; the sums
/// then round otherwise than in one go.
struct Flash2Options {
  unsigned splits =
      1;  ///< 0: as many as the device takes to be busy, so that bits depend on the batch
};

CudaAnswer<AttentionStatus> attention_naive(const AttentionCall& call, std::span<const float> q,
                                            std::span<const float> k, std::span<const float> v,
                                            std::span<float> out);
CudaAnswer<AttentionStatus> attention_naive(const AttentionCall& call, std::span<const F16> q,
                                            std::span<const F16> k, std::span<const F16> v,
                                            std::span<F16> out);
CudaAnswer<AttentionStatus> attention_naive(const AttentionCall& call, std::span<const Bf16> q,
                                            std::span<const Bf16> k, std::span<const Bf16> v,
                                            std::span<Bf16> out);

CudaAnswer<AttentionStatus> attention_flash2(const AttentionCall& call, std::span<const F16> q,
                                             std::span<const F16> k, std::span<const F16> v,
                                             std::span<F16> out, Flash2Options options = {});
CudaAnswer<AttentionStatus> attention_flash2(const AttentionCall& call, std::span<const Bf16> q,
                                             std::span<const Bf16> k, std::span<const Bf16> v,
                                             std::span<Bf16> out, Flash2Options options = {});

}  // namespace refute::kernels::cuda
