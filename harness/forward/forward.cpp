#include "harness/forward/forward.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

namespace refute::forward {

std::optional<Error> refuse_tokens(const DecoderConfig& c, std::span<const std::uint32_t> tokens,
                                   std::size_t positions) {
  if (tokens.empty()) return Error{"there are no tokens", "give --tokens 1,2,3"};
  const auto beyond = std::ranges::find_if(tokens, [&](std::uint32_t t) { return t >= c.vocab; });
  if (beyond != tokens.end()) {
    return Error{
        fmt::format("token {} at position {} is out of range", *beyond, beyond - tokens.begin()),
        fmt::format("the model has tokens 0 to {}", c.vocab - 1)};
  }
  if (c.context != 0 && positions > c.context) {
    return Error{
        fmt::format("{} positions are more than the model's context of {}", positions, c.context),
        ""};
  }
  if (c.sliding_window && positions > *c.sliding_window) {
    return Error{fmt::format("{} positions are more than the model's sliding window of {}",
                             positions, *c.sliding_window),
                 "attention over a sliding window is not computed here"};
  }
  return std::nullopt;
}

Forward::Forward(const DecoderModel& model, const ExecutionPath& path, std::size_t capacity)
    : model_(model), path_(path), acts_(model.config(), capacity) {
  if (path.is_fast()) kernels::set_openblas_threads(path.threads);
}

std::optional<Error> Forward::step(std::span<const std::uint32_t> tokens, const Tap& tap) {
  assert(position_ + tokens.size() <= acts_.cache.capacity());
  acts_.begin(model_, tokens, position_);
  for (const StageAt at : forward_order(model_.config(), path_.attention)) {
    if (auto error = run_stage(at, model_, path_, acts_)) return error;
    if (!tap) continue;
    const auto shape = stage_shape(at.stage, model_.config(), tokens.size(), position_);
    if (auto error = tap(at, shape, acts_.slot(at.stage))) return error;
  }
  position_ += tokens.size();
  return model_.damaged();
}

}  // namespace refute::forward
