#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "harness/forward/config.hpp"
#include "harness/forward/stage_run.hpp"

namespace refute::bisect {

/// What a run's own outputs say the keys and values of all tokens so far are, per layer. Attention
/// is judged against this, so that a cache which keeps something else is found.
class KeyHistory {
 public:
  explicit KeyHistory(const forward::DecoderConfig& config) : config_(config) {
    keys_.resize(config.layers);
    values_.resize(config.layers);
  }

  /// Takes up the output of one stage of `tokens` tokens; keys and values are in k_post_rope and in
  /// the last of the QKV stages, every other one is left alone.
  void record(forward::StageAt at, std::span<const float> output, std::size_t tokens);

  /// [tokens so far, kv_heads * head_dim]
  std::span<const float> keys(std::uint32_t layer) const { return keys_[layer]; }
  std::span<const float> values(std::uint32_t layer) const { return values_[layer]; }

 private:
  forward::DecoderConfig config_;
  std::vector<std::vector<float>> keys_, values_;
};

}  // namespace refute::bisect
