#pragma once

// The parts of causal attention, by fixtures/oracles/attention_oracle.hpp, with the bounds of
// harness/metrics/acceptance_bound.hpp.

#include <cstddef>
#include <span>

#include "harness/instruments/bisect/stage_truth.hpp"

namespace refute::bisect {

/// Queries and outputs are [tokens, heads, head_dim]; keys and values [keys, kv_heads, head_dim];
/// scores and probabilities [heads, tokens, keys], 0 where the mask hides.
struct AttentionShape {
  std::size_t tokens, keys, heads, kv_heads, head_dim;

  std::size_t visible(std::size_t token) const { return keys - tokens + token + 1; }
  std::size_t kv_head(std::size_t head) const { return head / (heads / kv_heads); }
};

StageTruth scores_truth(const AttentionShape& shape, std::span<const float> q,
                        std::span<const float> k, const Arithmetic& arithmetic);
StageTruth softmax_truth(const AttentionShape& shape, std::span<const float> scores,
                         const Arithmetic& arithmetic);
/// Both at once, where the scores are not known: off by what theirs may be off by as well.
StageTruth softmax_of_queries_truth(const AttentionShape& shape, std::span<const float> q,
                                    std::span<const float> k, const Arithmetic& arithmetic);
StageTruth mix_truth(const AttentionShape& shape, std::span<const float> probabilities,
                     std::span<const float> v, const Arithmetic& arithmetic);

/// All three at once, as a fused kernel does them: in f32 at least, whatever the path sums in.
StageTruth attention_truth(const AttentionShape& shape, std::span<const float> q,
                           std::span<const float> k, std::span<const float> v,
                           const Arithmetic& arithmetic, unsigned threads);

}  // namespace refute::bisect
