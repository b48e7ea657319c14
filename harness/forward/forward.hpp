#pragma once

// A forward pass: all units in order, on tokens that follow those of earlier steps.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "harness/forward/stage_run.hpp"

namespace refute::forward {

/// Called after each unit with its output, which is what the following units read: a tap keeps it,
/// an injected fault changes it. An error ends the pass.
using Tap = std::function<std::optional<Error>(StageAt at, const std::vector<std::size_t>& shape,
                                               std::span<float> values)>;

/// Tokens that the model has no embedding for, more positions than its context or window, none.
std::optional<Error> refuse_tokens(const DecoderConfig& config,
                                   std::span<const std::uint32_t> tokens, std::size_t positions);

class Forward {
 public:
  /// Room for `capacity` tokens. The path has to be one that refuse_path() lets pass.
  Forward(const DecoderModel& model, const ExecutionPath& path, std::size_t capacity);

  /// Runs all units on `tokens`, which have to pass refuse_tokens(). An error also if the model's
  /// file was damaged meanwhile.
  std::optional<Error> step(std::span<const std::uint32_t> tokens, const Tap& tap = {});

  /// Of the last token; [vocab].
  std::span<const float> logits() { return acts_.slot(Stage::lm_head); }
  std::size_t position() const { return position_; }

 private:
  const DecoderModel& model_;
  ExecutionPath path_;
  Activations acts_;
  std::size_t position_ = 0;
};

}  // namespace refute::forward
