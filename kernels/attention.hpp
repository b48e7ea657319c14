#pragma once

// Forward attention: out = softmax(scale · Q·Kᵀ + mask) · V, with grouped key/value heads. Two
// algorithms under equal names in every backend: `naive` materialises the scores of a row, and
// `flash2` keeps a running maximum and denominator over tiles of keys (Dao, "FlashAttention-2:
// Faster Attention with Better Parallelism and Work Partitioning", 2023, algorithm 1). Plain
// C++20, spans in, spans out.
//
// Tensors are row-major and dense: Q and out are [batch, heads_q, seq_q, head_dim], K and V are
// [batch, heads_kv, seq_kv, head_dim]. Query head h reads key/value head h / (heads_q / heads_kv).
//
// A causal mask is aligned bottom-right: query i sees key j when j <= i + seq_kv - seq_q. What a
// query does not see is never read into its result, not even when it is NaN. A query that sees
// nothing gives zeros, as does one whose scores are all -infinity. A NaN or +infinity among the
// scores that a query does see gives a row of NaN.

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/attention_half.hpp"

namespace refute::kernels {

struct AttentionShape {
  std::size_t batch = 1;
  std::size_t heads_q = 1, heads_kv = 1;
  std::size_t seq_q = 0, seq_kv = 0;
  std::size_t head_dim = 0;

  bool operator==(const AttentionShape&) const = default;
};

enum class AttentionMask : std::uint8_t { full, causal };

/// Whether the probabilities are rounded to the storage type before they meet V, as GPU kernels do
/// to use their matrix units. naive rounds them after, flash2 before they are divided by the
/// denominator; the denominator itself always sums the unrounded ones.
enum class AttentionProbabilities : std::uint8_t { keep_f32, round_to_storage };

struct AttentionCall {
  AttentionShape shape;
  AttentionMask mask = AttentionMask::full;
  float scale = 1.0f;  ///< usually 1/√head_dim; any finite number
  AttentionProbabilities probabilities = AttentionProbabilities::keep_f32;
  unsigned threads = 1;  ///< 0 counts as 1; the result has the same bits for every number
};

enum class AttentionStatus : std::uint8_t {
  ok,
  zero_size,             ///< a dimension is 0
  heads_not_divisible,   ///< heads_kv does not divide heads_q
  size_overflow,         ///< a tensor of this shape has more bytes than size_t can count
  size_mismatch,         ///< a span is not as long as the shape says
  scale_not_finite,      ///< scale is NaN or infinite
  unsupported_head_dim,  ///< flash2 is built for head_dim 64 and 128 only
};
/// The word of a status in messages and records: "ok", "zero-size", …, "unsupported-head-dim".
const char* to_string(AttentionStatus status);

constexpr bool flash2_supports(std::size_t head_dim) {
  return head_dim == 64 || head_dim == 128;
}

/// What naive and flash2 answer before they touch a span's content, given the spans' lengths.
AttentionStatus naive_check(const AttentionCall& call, std::size_t q, std::size_t k, std::size_t v,
                            std::size_t out);
AttentionStatus flash2_check(const AttentionCall& call, std::size_t q, std::size_t k, std::size_t v,
                             std::size_t out);

/// How many keys query i sees: always the first ones.
constexpr std::size_t visible_keys(const AttentionCall& call, std::size_t i) {
  const AttentionShape& s = call.shape;
  if (call.mask == AttentionMask::full) return s.seq_kv;
  const std::size_t end = i + 1 + s.seq_kv;
  return end > s.seq_q ? end - s.seq_q : 0;
}

/// Inputs and output are stored as T; everything between is f32, and the output is rounded once, to
/// nearest, ties to even. On any status but ok nothing was written.
#define REFUTE_ATTENTION_KERNELS(T)                                                              \
  AttentionStatus attention_naive(const AttentionCall& call, std::span<const T> q,               \
                                  std::span<const T> k, std::span<const T> v, std::span<T> out); \
  AttentionStatus attention_flash2(const AttentionCall& call, std::span<const T> q,              \
                                   std::span<const T> k, std::span<const T> v, std::span<T> out);

namespace cpu_scalar {
REFUTE_ATTENTION_KERNELS(float)
REFUTE_ATTENTION_KERNELS(F16)
REFUTE_ATTENTION_KERNELS(Bf16)
}  // namespace cpu_scalar

/// The same bits on every instruction set, and the same bits for a row wherever it stands in its
/// batch, head or block.
namespace cpu_simd {
REFUTE_ATTENTION_KERNELS(float)
REFUTE_ATTENTION_KERNELS(F16)
REFUTE_ATTENTION_KERNELS(Bf16)

/// In place, per row of a row-major [rows, cols] matrix: x = exp(scale·x - max) / Σ, the softmax
/// that attention_naive uses. Exposed to be measured and tested on its own.
void softmax_rows(std::span<float> x, std::size_t rows, std::size_t cols, float scale);
}  // namespace cpu_simd

#undef REFUTE_ATTENTION_KERNELS

}  // namespace refute::kernels
