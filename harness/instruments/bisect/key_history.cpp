#include "harness/instruments/bisect/key_history.hpp"

namespace refute::bisect {

using tensor::Stage;

void KeyHistory::record(forward::StageAt at, std::span<const float> output, std::size_t tokens) {
  if (at.stage == Stage::k_post_rope) {
    keys_[at.layer].insert(keys_[at.layer].end(), output.begin(), output.end());
  }
  if (at.stage != (config_.qkv_bias ? Stage::qkv_bias : Stage::qkv_matmul)) return;
  const std::size_t offset = config_.q_width() + config_.kv_width(), width = config_.kv_width();
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto row = output.subspan(t * config_.qkv_width() + offset, width);
    values_[at.layer].insert(values_[at.layer].end(), row.begin(), row.end());
  }
}

}  // namespace refute::bisect
