// Attention in plain loops, one output row after the other: what the faster bodies are read
// against.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention.hpp"
#include "kernels/cpu/attention_parallel.hpp"

namespace refute::kernels::cpu_scalar {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr std::size_t kTileRows = 64;  ///< B_r of the paper
constexpr std::size_t kTileKeys = 64;  ///< B_c

/// One query head with the key/value head it reads, and where its output goes.
template <class T>
struct Head {
  const T* q;
  const T* k;
  const T* v;
  T* out;
};

template <class T>
Head<T> head_at(const AttentionShape& s, std::size_t index, std::span<const T> q,
                std::span<const T> k, std::span<const T> v, std::span<T> out) {
  const std::size_t batch = index / s.heads_q;
  const std::size_t head = index % s.heads_q;
  const std::size_t shared = batch * s.heads_kv + head / (s.heads_q / s.heads_kv);
  const std::size_t query_offset = index * s.seq_q * s.head_dim;
  const std::size_t key_offset = shared * s.seq_kv * s.head_dim;
  return {&q[query_offset], &k[key_offset], &v[key_offset], &out[query_offset]};
}

template <class T>
float dot(const T* a, const T* b, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += to_float(a[i]) * to_float(b[i]);
  return sum;
}

/// A maximum that a NaN survives, so that it reaches the row's result.
float max_keeping_nan(float a, float b) {
  return std::isnan(a) || a > b ? a : b;
}

/// exp(x - max) for a maximum that may be -infinity: then every score is, and the weight is 0.
float weight(float x, float max) {
  return max == kMinusInfinity ? 0.0f : std::exp(x - max);
}

template <class T>
float stored_probability(const AttentionCall& call, float p) {
  return call.probabilities == AttentionProbabilities::round_to_storage ? round_to<T>(p) : p;
}

template <class T>
void naive_row(const AttentionCall& call, const Head<T>& head, std::size_t row,
               std::vector<float>& scores, std::vector<float>& sum) {
  const std::size_t d = call.shape.head_dim;
  const std::size_t seen = visible_keys(call, row);
  float max = kMinusInfinity;
  for (std::size_t j = 0; j < seen; ++j) {
    scores[j] = dot(head.q + row * d, head.k + j * d, d) * call.scale;
    max = max_keeping_nan(max, scores[j]);
  }
  float denominator = 0;
  for (std::size_t j = 0; j < seen; ++j) {
    scores[j] = weight(scores[j], max);
    denominator += scores[j];
  }
  std::ranges::fill(sum, 0.0f);
  const bool sees_nothing = denominator == 0;
  for (std::size_t j = 0; j < seen && !sees_nothing; ++j) {
    const float p = stored_probability<T>(call, scores[j] / denominator);
    for (std::size_t i = 0; i < d; ++i) sum[i] += p * to_float(head.v[j * d + i]);
  }
  for (std::size_t i = 0; i < d; ++i) head.out[row * d + i] = from_float<T>(sum[i]);
}

/// The state that algorithm 1 keeps per query row: m, ℓ and the output before it is divided by ℓ.
struct Running {
  float max = kMinusInfinity;
  float denominator = 0;
  std::vector<float> sum;
};

/// Algorithm 1, lines 8 to 10, for one row and the keys [begin, end): scores of the tile, the new
/// maximum m' = max(m, rowmax S), weights P = exp(S - m'), ℓ' = e^(m - m')·ℓ + rowsum P and
/// O' = e^(m - m')·O + P·V.
template <class T>
void fold_tile(const AttentionCall& call, const Head<T>& head, std::size_t row, std::size_t begin,
               std::size_t end, Running& state) {
  const std::size_t d = call.shape.head_dim;
  float scores[kTileKeys];
  float max = state.max;
  for (std::size_t j = begin; j < end; ++j) {
    scores[j - begin] = dot(head.q + row * d, head.k + j * d, d) * call.scale;
    max = max_keeping_nan(max, scores[j - begin]);
  }
  const float rescale = weight(state.max, max);
  float tile_denominator = 0;
  for (float& x : state.sum) x *= rescale;
  for (std::size_t j = begin; j < end; ++j) {
    const float p = weight(scores[j - begin], max);
    tile_denominator += p;
    const float stored = stored_probability<T>(call, p);
    for (std::size_t i = 0; i < d; ++i) state.sum[i] += stored * to_float(head.v[j * d + i]);
  }
  state.denominator = rescale * state.denominator + tile_denominator;
  state.max = max;
}

/// Algorithm 1, line 12: O = O / ℓ.
template <class T>
void finish_row(const Running& state, T* out) {
  const bool sees_nothing = state.denominator == 0;
  for (std::size_t i = 0; i < state.sum.size(); ++i) {
    out[i] = from_float<T>(sees_nothing ? 0.0f : state.sum[i] / state.denominator);
  }
}

/// The outer loop of algorithm 1 over blocks of query rows is parallel; this is one of its turns:
/// tiles of keys in order, and of each tile only what a row sees.
template <class T>
void flash2_block(const AttentionCall& call, const Head<T>& head, std::size_t first_row,
                  std::size_t end_row) {
  const std::size_t d = call.shape.head_dim;
  std::vector<Running> state(end_row - first_row);
  for (Running& s : state) s.sum.assign(d, 0.0f);
  const std::size_t most_seen = visible_keys(call, end_row - 1);
  for (std::size_t begin = 0; begin < most_seen; begin += kTileKeys) {
    for (std::size_t row = first_row; row < end_row; ++row) {
      const std::size_t end = std::min(begin + kTileKeys, visible_keys(call, row));
      if (begin < end) fold_tile(call, head, row, begin, end, state[row - first_row]);
    }
  }
  for (std::size_t row = first_row; row < end_row; ++row) {
    finish_row(state[row - first_row], head.out + row * d);
  }
}

template <class T>
AttentionStatus naive(const AttentionCall& call, std::span<const T> q, std::span<const T> k,
                      std::span<const T> v, std::span<T> out) {
  const AttentionStatus status = naive_check(call, q.size(), k.size(), v.size(), out.size());
  if (status != AttentionStatus::ok) return status;
  const AttentionShape& s = call.shape;
  attention_parallel(s.batch * s.heads_q, call.threads, [&](std::size_t index) {
    std::vector<float> scores(s.seq_kv), sum(s.head_dim);
    const Head<T> head = head_at(s, index, q, k, v, out);
    for (std::size_t row = 0; row < s.seq_q; ++row) naive_row(call, head, row, scores, sum);
  });
  return status;
}

template <class T>
AttentionStatus flash2(const AttentionCall& call, std::span<const T> q, std::span<const T> k,
                       std::span<const T> v, std::span<T> out) {
  const AttentionStatus status = flash2_check(call, q.size(), k.size(), v.size(), out.size());
  if (status != AttentionStatus::ok) return status;
  const AttentionShape& s = call.shape;
  const std::size_t blocks = (s.seq_q + kTileRows - 1) / kTileRows;
  attention_parallel(s.batch * s.heads_q * blocks, call.threads, [&](std::size_t task) {
    const Head<T> head = head_at(s, task / blocks, q, k, v, out);
    const std::size_t first = task % blocks * kTileRows;
    flash2_block(call, head, first, std::min(first + kTileRows, s.seq_q));
  });
  return status;
}

}  // namespace

#define REFUTE_ATTENTION_BODIES(T)                                                                 \
  AttentionStatus attention_naive(const AttentionCall& call, std::span<const T> q,                 \
                                  std::span<const T> k, std::span<const T> v, std::span<T> out) {  \
    return naive<T>(call, q, k, v, out);                                                           \
  }                                                                                                \
  AttentionStatus attention_flash2(const AttentionCall& call, std::span<const T> q,                \
                                   std::span<const T> k, std::span<const T> v, std::span<T> out) { \
    return flash2<T>(call, q, k, v, out);                                                          \
  }

REFUTE_ATTENTION_BODIES(float)
REFUTE_ATTENTION_BODIES(F16)
REFUTE_ATTENTION_BODIES(Bf16)
#undef REFUTE_ATTENTION_BODIES

}  // namespace refute::kernels::cpu_scalar
