#pragma once

// One factor at a time, the rest as it was: what makes the decision flip is the factor to look at.

#include <string>
#include <vector>

#include "harness/instruments/bisect/captured_run.hpp"
#include "harness/instruments/bisect/end.hpp"

namespace refute::bisect {

/// A run that differs from another one in one thing.
struct Toggle {
  std::string run;     ///< "fast+bf16"
  std::string factor;  ///< "attention", "activations", "path", "weights", "stage"
  std::string change;  ///< "bf16 > f32", "layer 2, attn_out by the reference"
  Decision decision;
  bool flips = false;  ///< the run decides as the other end does, and did not before
};

/// The bad end with one of the good end's factors at a time, and, if a stage was named, with that
/// stage done by the reference; `before` and `wanted` are what the bad and the good end decide.
Result<std::vector<Toggle>> toggle_paths(const End& good, const End& bad, const Steps& steps,
                                         std::optional<StageAt> named, const Decision& before,
                                         const Decision& wanted);

/// The reference on the bad capture's model with one thing of the capture at a time: its
/// activations, its kind of attention, and its output of the named stage; `wanted` is what the
/// capture decides.
Result<std::vector<Toggle>> toggle_captures(const CapturedRun& bad, const DecoderModel& model,
                                            metrics::Format activations,
                                            std::optional<StageAt> named, const Decision& before,
                                            const Decision& wanted, unsigned threads);

}  // namespace refute::bisect
