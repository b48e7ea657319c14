#pragma once

// One end of a bisection: a model on an execution path, and who runs its stages.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/forward/forward.hpp"
#include "harness/forward/top_candidates.hpp"
#include "harness/instruments/bisect/arithmetic.hpp"
#include "harness/instruments/bisect/key_history.hpp"
#include "harness/instruments/bisect/stage_truth.hpp"

namespace refute::bisect {

using forward::Activations;
using forward::ExecutionPath;

/// Runs one unit as forward::run_stage() does, or wrongly: fixtures/mutants/decoder_faults.hpp. It
/// has to be a function of its arguments, the output's old content included.
using StageRunner = std::function<std::optional<Error>(StageAt at, const DecoderModel& model,
                                                       const ExecutionPath& path, Activations&)>;

struct End {
  const DecoderModel* model = nullptr;  ///< outlives the end
  ExecutionPath path;
  metrics::Format activations = metrics::Format::f32;  ///< every output is rounded to it
  StageRunner run = forward::run_stage;
};

/// "fast+flash2+bf16": path, attention where it is not naive, activations where they are not f32.
std::string to_string(const End& end);
/// The same, read; the model and the runner are those of `end`. Threads as well.
Result<End> parse_end(std::string_view text, End end);

Arithmetic arithmetic_of(const End& end);

/// What a manifest says of the path, with the activations that it has.
tensor::CapturePath describe(const End& end);

/// One end at work, step by step: each step is some tokens that follow those of earlier ones.
class Pass {
 public:
  Pass(const End& end, std::size_t capacity);

  /// The tokens have to outlive the step.
  void begin(std::span<const std::uint32_t> tokens);
  /// Units have to be run in forward order; each one's output stays until the next layer's.
  std::optional<Error> run(StageAt at);
  /// Runs one unit on somebody else's inputs, which have to be set in activations() before.
  std::optional<Error> run_alone(StageAt at);

  std::span<const float> output(Stage stage) { return acts_.slot(stage); }
  /// What the unit reads in a pass with this attention, which may be another than the pass's own.
  StageInputs inputs(StageAt at, AttentionKernel attention);
  StageInputs inputs(StageAt at) { return inputs(at, end_.path.attention); }
  const End& end() const { return end_; }
  Activations& activations() { return acts_; }

 private:
  End end_;
  Activations acts_;
  KeyHistory history_;
  std::size_t position_ = 0, next_ = 0;
};

/// What an end says next: up to five candidates, best first, after the last of the steps.
struct Decision {
  std::vector<forward::Candidate> top;
  std::size_t non_finite = 0;  ///< logits; with any, nothing is decided

  bool decided() const { return non_finite == 0 && !top.empty(); }
  std::uint32_t token() const { return top.front().token; }
  float margin() const { return top.size() < 2 ? 0 : top[0].logit - top[1].logit; }
};
Decision decision_of(std::span<const float> logits);

/// The steps of a run: the prompt at once, then token by token, as decoding does it.
using Steps = std::vector<std::vector<std::uint32_t>>;
std::size_t total_tokens(const Steps& steps);

/// A hash of every output of a run, in the order of the units: what another run has to repeat.
using Prints = std::vector<std::uint64_t>;
std::uint64_t print_of(std::span<const float> output);

/// Runs all units of the pass on the next tokens, and adds their prints where they are wanted.
Result<Decision> run_step(Pass& pass, std::span<const std::uint32_t> tokens,
                          Prints* prints = nullptr);
Result<Decision> run_all(const End& end, const Steps& steps);

/// The first unit whose output differs between two runs of `end`, or none.
std::optional<StageAt> first_difference(const End& end, const Prints& a, const Prints& b);

}  // namespace refute::bisect
