#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <optional>

#include "kernels/attention.hpp"

namespace refute::kernels {
namespace {

/// The product, or nothing when an f64 array of that many elements could not be addressed: the
/// margin leaves room for every intermediate that a kernel allocates per element.
std::optional<std::size_t> element_count(std::initializer_list<std::size_t> factors) {
  std::size_t count = 1;
  for (const std::size_t factor : factors) {
    if (__builtin_mul_overflow(count, factor, &count)) return std::nullopt;
  }
  constexpr std::size_t kLargest = static_cast<std::size_t>(PTRDIFF_MAX) / sizeof(double);
  return count <= kLargest ? std::optional(count) : std::nullopt;
}

}  // namespace

const char* to_string(AttentionStatus status) {
  switch (status) {
    case AttentionStatus::ok:
      return "ok";
    case AttentionStatus::zero_size:
      return "zero-size";
    case AttentionStatus::heads_not_divisible:
      return "heads-not-divisible";
    case AttentionStatus::size_overflow:
      return "size-overflow";
    case AttentionStatus::size_mismatch:
      return "size-mismatch";
    case AttentionStatus::scale_not_finite:
      return "scale-not-finite";
    case AttentionStatus::unsupported_head_dim:
      return "unsupported-head-dim";
  }
  return "unknown";
}

AttentionStatus naive_check(const AttentionCall& call, std::size_t q, std::size_t k, std::size_t v,
                            std::size_t out) {
  const AttentionShape& s = call.shape;
  for (const std::size_t n : {s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim}) {
    if (n == 0) return AttentionStatus::zero_size;
  }
  if (s.heads_q % s.heads_kv != 0) return AttentionStatus::heads_not_divisible;
  const auto queries = element_count({s.batch, s.heads_q, s.seq_q, s.head_dim});
  const auto keys = element_count({s.batch, s.heads_kv, s.seq_kv, s.head_dim});
  const auto scores = element_count({s.batch, s.heads_q, s.seq_q, s.seq_kv});
  if (!queries || !keys || !scores) return AttentionStatus::size_overflow;
  if (q != *queries || out != *queries || k != *keys || v != *keys) {
    return AttentionStatus::size_mismatch;
  }
  if (!std::isfinite(call.scale)) return AttentionStatus::scale_not_finite;
  return AttentionStatus::ok;
}

AttentionStatus flash2_check(const AttentionCall& call, std::size_t q, std::size_t k, std::size_t v,
                             std::size_t out) {
  const std::size_t d = call.shape.head_dim;
  if (d != 0 && !flash2_supports(d)) return AttentionStatus::unsupported_head_dim;
  return naive_check(call, q, k, v, out);
}

}  // namespace refute::kernels
