// Attention on vectors: Highway compiles the bodies once per instruction set and picks one at the
// first call. Here the tensors are unpacked to f32 once per key/value head, and the blocks of query
// rows are shared out to the threads.

#include <algorithm>
#include <memory>
#include <type_traits>
#include <vector>

#include "kernels/attention.hpp"
#include "kernels/cpu/attention_block.hpp"
#include "kernels/cpu/attention_parallel.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_simd.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>
//
#include "kernels/cpu/attention_simd-inl.hpp"

#if HWY_ONCE
namespace refute::kernels {

HWY_EXPORT(Flash2Block);
HWY_EXPORT(NaiveBlock);
HWY_EXPORT(SoftmaxRows);

namespace cpu_simd {
namespace {

constexpr std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// K and V of every key/value head in f32, laid out as AttentionBlock says. Values that are laid
/// out so already are used where they are.
class Unpacked {
 public:
  template <class T>
  Unpacked(const AttentionCall& call, std::span<const T> k, std::span<const T> v)
      : shape_(call.shape),
        padded_(round_up(shape_.seq_kv, kAttentionTile)),
        width_(round_up(shape_.head_dim, kAttentionLanes)) {
    const std::size_t heads = shape_.batch * shape_.heads_kv;
    keys_ = std::make_unique_for_overwrite<float[]>(heads * padded_ * shape_.head_dim);
    if constexpr (std::is_same_v<T, float>) {
      if (width_ == shape_.head_dim) values_ = v.data();
    }
    if (values_ == nullptr) {
      own_values_ = std::make_unique_for_overwrite<float[]>(heads * shape_.seq_kv * width_);
      values_ = own_values_.get();
    }
    const std::size_t tiles = padded_ / kAttentionTile;
    attention_parallel(heads * tiles, call.threads, [&](std::size_t task) {
      unpack_keys(k.data(), task / tiles, task % tiles * kAttentionTile);
      if (own_values_) unpack_values(v.data(), task / tiles, task % tiles * kAttentionTile);
    });
  }

  std::size_t width() const { return width_; }
  std::size_t padded() const { return padded_; }
  const float* keys(std::size_t head) const { return &keys_[head * padded_ * shape_.head_dim]; }
  const float* values(std::size_t head) const { return values_ + head * shape_.seq_kv * width_; }

 private:
  template <class T>
  void unpack_keys(const T* k, std::size_t head, std::size_t begin) {
    const std::size_t d = shape_.head_dim;
    const std::size_t count = std::min(kAttentionTile, shape_.seq_kv - begin);
    const T* from = k + (head * shape_.seq_kv + begin) * d;
    float* to = &keys_[head * padded_ * d + begin * d];
    if (count < kAttentionTile) std::fill_n(to, kAttentionTile * d, 0.0f);
    for (std::size_t j = 0; j < count; ++j) {
      for (std::size_t i = 0; i < d; ++i) to[i * kAttentionTile + j] = to_float(from[j * d + i]);
    }
  }

  template <class T>
  void unpack_values(const T* v, std::size_t head, std::size_t begin) {
    const std::size_t d = shape_.head_dim;
    const std::size_t end = std::min(begin + kAttentionTile, shape_.seq_kv);
    for (std::size_t j = begin; j < end; ++j) {
      const T* from = v + (head * shape_.seq_kv + j) * d;
      float* to = &own_values_[(head * shape_.seq_kv + j) * width_];
      for (std::size_t i = 0; i < d; ++i) to[i] = to_float(from[i]);
      std::fill(to + d, to + width_, 0.0f);
    }
  }

  AttentionShape shape_;
  std::size_t padded_, width_;
  std::unique_ptr<float[]> keys_, own_values_;
  const float* values_ = nullptr;
};

template <class T>
ProbabilityRounding rounding_of(const AttentionCall& call) {
  if (call.probabilities == AttentionProbabilities::keep_f32) return ProbabilityRounding::none;
  if (std::is_same_v<T, F16>) return ProbabilityRounding::f16;
  return std::is_same_v<T, Bf16> ? ProbabilityRounding::bf16 : ProbabilityRounding::none;
}

/// Runs `body` on every block of query rows of every head.
template <class T, class Body>
void for_each_block(const AttentionCall& call, std::span<const T> q, std::span<const T> k,
                    std::span<const T> v, std::span<T> out, Body body) {
  const AttentionShape& s = call.shape;
  const Unpacked unpacked(call, k, v);
  const std::size_t blocks = (s.seq_q + kAttentionRows - 1) / kAttentionRows;
  attention_parallel(s.batch * s.heads_q * blocks, call.threads, [&](std::size_t task) {
    const std::size_t head = task / blocks;
    const std::size_t first = task % blocks * kAttentionRows;
    const std::size_t rows = std::min(kAttentionRows, s.seq_q - first);
    const std::size_t shared =
        head / s.heads_q * s.heads_kv + head % s.heads_q / (s.heads_q / s.heads_kv);
    const std::size_t offset = (head * s.seq_q + first) * s.head_dim;
    std::vector<float> queries(rows * s.head_dim), result(rows * unpacked.width());
    for (std::size_t i = 0; i < queries.size(); ++i) queries[i] = to_float(q[offset + i]);
    body(AttentionBlock{&call, first, rows, unpacked.width(), queries.data(), unpacked.keys(shared),
                        unpacked.values(shared), result.data(), rounding_of<T>(call)},
         unpacked.padded());
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t i = 0; i < s.head_dim; ++i) {
        out[offset + r * s.head_dim + i] = from_float<T>(result[r * unpacked.width() + i]);
      }
    }
  });
}

template <class T>
AttentionStatus naive(const AttentionCall& call, std::span<const T> q, std::span<const T> k,
                      std::span<const T> v, std::span<T> out) {
  const AttentionStatus status = naive_check(call, q.size(), k.size(), v.size(), out.size());
  if (status != AttentionStatus::ok) return status;
  for_each_block(call, q, k, v, out, [](const AttentionBlock& block, std::size_t padded) {
    std::vector<float> scores(kAttentionGroup * padded);
    HWY_DYNAMIC_DISPATCH(NaiveBlock)(block, scores.data(), padded);
  });
  return status;
}

template <class T>
AttentionStatus flash2(const AttentionCall& call, std::span<const T> q, std::span<const T> k,
                       std::span<const T> v, std::span<T> out) {
  const AttentionStatus status = flash2_check(call, q.size(), k.size(), v.size(), out.size());
  if (status != AttentionStatus::ok) return status;
  for_each_block(call, q, k, v, out, [](const AttentionBlock& block, std::size_t) {
    HWY_DYNAMIC_DISPATCH(Flash2Block)(block);
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

void softmax_rows(std::span<float> x, std::size_t rows, std::size_t cols, float scale) {
  std::vector<float> copy(round_up(cols, kAttentionLanes));
  HWY_DYNAMIC_DISPATCH(SoftmaxRows)(x.data(), rows, cols, scale, copy.data());
}

}  // namespace cpu_simd
}  // namespace refute::kernels
#endif  // HWY_ONCE
