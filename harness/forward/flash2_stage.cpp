#include "harness/forward/flash2_stage.hpp"

#include <algorithm>
#include <cassert>
#include <vector>

#include "kernels/attention.hpp"

namespace refute::forward {
namespace {

using kernels::AttentionCall;
using kernels::AttentionStatus;
using kernels::CausalShape;

/// The heads of one key/value head, [group, tokens, head_dim], out of rows of all heads.
void gather(const CausalShape& s, std::size_t first_head, std::size_t group,
            std::span<const float> q, std::span<float> out) {
  for (std::size_t h = 0; h < group; ++h) {
    for (std::size_t t = 0; t < s.tokens; ++t) {
      std::copy_n(&q[(t * s.heads + first_head + h) * s.head_dim], s.head_dim,
                  &out[(h * s.tokens + t) * s.head_dim]);
    }
  }
}

void scatter(const CausalShape& s, std::size_t first_head, std::size_t group,
             std::span<const float> from, std::span<float> out) {
  for (std::size_t h = 0; h < group; ++h) {
    for (std::size_t t = 0; t < s.tokens; ++t) {
      std::copy_n(&from[(h * s.tokens + t) * s.head_dim], s.head_dim,
                  &out[(t * s.heads + first_head + h) * s.head_dim]);
    }
  }
}

}  // namespace

void flash2_stage(const CausalShape& s, const ExecutionPath& path, std::span<const float> q,
                  std::span<const float> k, std::span<const float> v, std::span<float> out) {
  const std::size_t group = s.heads / s.kv_heads;
  AttentionCall call;
  call.shape = {1, group, 1, s.tokens, s.keys, s.head_dim};
  call.mask = kernels::AttentionMask::causal;
  call.scale = static_cast<float>(s.scale);
  call.threads = s.tokens > 1 ? path.threads : 1;  // one query is not worth a thread's start
  std::vector<float> queries(group * s.tokens * s.head_dim), results(queries.size());
  // One call per key/value head: their rows lie `capacity` apart, and the kernel wants them dense.
  for (std::size_t head = 0; head < s.kv_heads; ++head) {
    gather(s, head * group, group, q, queries);
    const auto keys = k.subspan(head * s.capacity * s.head_dim, s.keys * s.head_dim);
    const auto values = v.subspan(head * s.capacity * s.head_dim, s.keys * s.head_dim);
    const AttentionStatus status =
        path.is_fast()
            ? kernels::cpu_simd::attention_flash2(call, std::span<const float>(queries), keys,
                                                  values, std::span<float>(results))
            : kernels::cpu_scalar::attention_flash2(call, std::span<const float>(queries), keys,
                                                    values, std::span<float>(results));
    assert(status == AttentionStatus::ok);
    (void)status;
    scatter(s, head * group, group, results, out);
  }
}

}  // namespace refute::forward
