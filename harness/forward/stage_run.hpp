#pragma once

// One stage of the forward pass as a unit: it reads the outputs of the stages that stage_inputs()
// lists, and writes its own. A forward pass runs the units one after the other; whoever wants the
// error that one stage makes, and not what it inherited, puts the reference's outputs into the
// inputs and runs that unit alone.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/forward/decoder_model.hpp"
#include "harness/forward/execution_path.hpp"
#include "harness/forward/kv_cache.hpp"
#include "harness/model/result.hpp"
#include "harness/tensor/stages.hpp"
#include "kernels/decoder.hpp"

namespace refute::forward {

using tensor::Stage;

/// The outputs of stages for the tokens at hand, which follow `past` others. A slot holds the
/// latest layer's; the one of post_ffn_residual is the next layer's input.
struct Activations {
  std::span<const std::uint32_t> tokens;
  std::size_t past = 0;
  KvCache cache;
  kernels::RopeTable angles;  ///< of the tokens at hand
  std::array<std::vector<float>, tensor::kStageCount> slots;

  Activations(const DecoderConfig& config, std::size_t capacity) : cache(config, capacity) {}

  /// Takes up the next tokens. They have to outlive what is run on them.
  void begin(const DecoderModel& model, std::span<const std::uint32_t> next, std::size_t position);
  std::size_t keys() const { return past + tokens.size(); }
  std::vector<float>& slot(Stage s) { return slots[static_cast<std::size_t>(s)]; }
};

struct StageAt {
  Stage stage;
  std::uint32_t layer;  ///< kWholeModel for stages of no layer
  bool operator==(const StageAt&) const = default;
};

/// What a stage reads besides weights and the keys and values of past tokens.
std::vector<StageAt> stage_inputs(StageAt at, const DecoderConfig& config,
                                  AttentionKernel attention);

/// Every unit of one pass, in the order in which they run.
std::vector<StageAt> forward_order(const DecoderConfig& config, AttentionKernel attention);

/// Of a stage's output for `tokens` tokens that follow `past` others.
std::vector<std::size_t> stage_shape(Stage stage, const DecoderConfig& config, std::size_t tokens,
                                     std::size_t past);

/// Runs one unit on the slots of its inputs, which have to be as long as stage_shape() says. The
/// path has to be one that refuse_path() lets pass.
std::optional<Error> run_stage(StageAt at, const DecoderModel& model, const ExecutionPath& path,
                               Activations& acts);

}  // namespace refute::forward
