// Attention as it is defined: a block a row, the row's scores in memory, three passes over them.

#include "kernels/cuda/attention_cuda.hpp"
#include "kernels/cuda/memory.cuh"

namespace refute::kernels::cuda {
namespace {

constexpr unsigned kRowThreads = 128, kWarps = kRowThreads / 32;

template <class T>
struct Naive {
  const T *q, *k, *v;
  T* out;
  float* scores;  ///< a row of them for each block
  AttentionCall call;
};

/// The sum, or the maximum, over a block; every thread gets it. A NaN wins in both.
template <class Combine>
__device__ float over_block(float mine, Combine combine) {
  __shared__ float of_warp[kWarps];
  for (unsigned step = 16; step > 0; step /= 2)
    mine = combine(mine, __shfl_xor_sync(0xFFFFFFFFu, mine, step));
  __syncthreads();  // the last use of of_warp is over
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
  __syncthreads();
  float all = of_warp[0];
  for (unsigned w = 1; w < kWarps; ++w) all = combine(all, of_warp[w]);
  return all;
}

struct Larger {
  __device__ float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};
struct Plus {
  __device__ float operator()(float a, float b) const { return a + b; }
};

/// exp(score - max); a row whose every score is -infinity weighs nothing.
__device__ float weight(float score, float max) {
  return score == -INFINITY && max == -INFINITY ? 0.0f : expf(score - max);
}

/// A row that sees nothing, or only scores of -infinity, gives zeros.
template <class T>
__device__ T weighted_column(const Naive<T>& n, const T* v, const float* scores,
                             std::size_t visible, float denominator, std::size_t i) {
  float sum = 0.0f;
  for (std::size_t j = 0; denominator != 0.0f && j < visible; ++j) {
    const float p = scores[j] / denominator;
    const float stored =
        n.call.probabilities == AttentionProbabilities::round_to_storage ? round_to<T>(p) : p;
    sum = __fmaf_rn(stored, to_float(v[j * n.call.shape.head_dim + i]), sum);
  }
  return from_float<T>(sum);
}

template <class T>
__global__ void __launch_bounds__(kRowThreads) naive_kernel(Naive<T> n) {
  const AttentionShape& s = n.call.shape;
  const std::size_t d = s.head_dim;
  float* const scores = n.scores + blockIdx.x * s.seq_kv;
  for (std::size_t at = blockIdx.x; at < s.batch * s.heads_q * s.seq_q; at += gridDim.x) {
    const std::size_t head = at / s.seq_q, row = at % s.seq_q;
    const std::size_t pair =
        head / s.heads_q * s.heads_kv + head % s.heads_q / (s.heads_q / s.heads_kv);
    const T* const q = n.q + at * d;
    const T* const k = n.k + pair * s.seq_kv * d;
    const T* const v = n.v + pair * s.seq_kv * d;
    const std::size_t visible = visible_keys(n.call, row);
    float max = -INFINITY;
    for (std::size_t j = threadIdx.x; j < visible; j += kRowThreads) {
      float dot = 0.0f;
      for (std::size_t i = 0; i < d; ++i)
        dot = __fmaf_rn(to_float(q[i]), to_float(k[j * d + i]), dot);
      scores[j] = dot * n.call.scale;
      max = Larger()(max, scores[j]);
    }
    max = over_block(max, Larger());
    float denominator = 0.0f;
    for (std::size_t j = threadIdx.x; j < visible; j += kRowThreads) {
      scores[j] = weight(scores[j], max);
      denominator += scores[j];
    }
    denominator = over_block(denominator, Plus());
    __syncthreads();  // all of the row's weights are there
    for (std::size_t i = threadIdx.x; i < d; i += kRowThreads)
      n.out[at * d + i] = weighted_column(n, v, scores, visible, denominator, i);
    __syncthreads();  // before the next row takes their place
  }
}

template <class T>
CudaAnswer<AttentionStatus> naive(const AttentionCall& call, std::span<const T> q,
                                  std::span<const T> k, std::span<const T> v, std::span<T> out) {
  const AttentionStatus fit = naive_check(call, q.size(), k.size(), v.size(), out.size());
  if (fit != AttentionStatus::ok) return {{}, fit};
  const AttentionShape& s = call.shape;
  constexpr std::size_t kMostBlocks = 1024;
  const std::size_t rows = s.batch * s.heads_q * s.seq_q;
  const std::size_t blocks = rows < kMostBlocks ? rows : kMostBlocks;
  Staged<T> q_in, k_in, v_in, to;
  Allocation scores;
  const CudaStatus status = first_failure(
      [&] { return q_in.input(q); }, [&] { return k_in.input(k); }, [&] { return v_in.input(v); },
      [&] { return to.output(out); },
      [&] { return scores.take(blocks * s.seq_kv * sizeof(float)); },
      [&] {
        naive_kernel<T><<<static_cast<unsigned>(blocks), kRowThreads>>>(
            {q_in.data(), k_in.data(), v_in.data(), to.data(), scores.as<float>(), call});
        return finished("attention_naive");
      },
      [&] { return q_in.check("q"); }, [&] { return k_in.check("k"); },
      [&] { return v_in.check("v"); }, [&] { return to.fetch("out"); });
  return {status, fit};
}

}  // namespace

CudaAnswer<AttentionStatus> attention_naive(const AttentionCall& call, std::span<const float> q,
                                            std::span<const float> k, std::span<const float> v,
                                            std::span<float> out) {
  return naive<float>(call, q, k, v, out);
}
CudaAnswer<AttentionStatus> attention_naive(const AttentionCall& call, std::span<const F16> q,
                                            std::span<const F16> k, std::span<const F16> v,
                                            std::span<F16> out) {
  return naive<F16>(call, q, k, v, out);
}
CudaAnswer<AttentionStatus> attention_naive(const AttentionCall& call, std::span<const Bf16> q,
                                            std::span<const Bf16> k, std::span<const Bf16> v,
                                            std::span<Bf16> out) {
  return naive<Bf16>(call, q, k, v, out);
}

}  // namespace refute::kernels::cuda
