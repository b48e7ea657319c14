#pragma once

// One stage in f64, straight from its definition, and how far from it an implementation of the
// declared arithmetic may be. Shares no code with the paths that it judges: products, softmax and
// attention are fixtures/oracles', the rest are plain loops here.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "harness/forward/stage_run.hpp"
#include "harness/instruments/bisect/arithmetic.hpp"

namespace refute::bisect {

using forward::AttentionKernel;
using forward::DecoderConfig;
using forward::DecoderModel;
using forward::StageAt;
using tensor::Stage;

/// What a stage reads, of whoever's run. All spans are as long as forward::stage_shape() says.
struct StageInputs {
  std::span<const std::uint32_t> tokens;
  std::size_t past = 0;                    ///< tokens before these
  std::vector<std::span<const float>> in;  ///< in the order of forward::stage_inputs()
  /// Of all tokens so far, [past + tokens, kv_heads * head_dim]; read by scores and attention, and
  /// by the softmax where `in` has queries for it, because the scores are not known.
  std::span<const float> keys, values;
  /// What the product read to which qkv_bias adds, where it is known: most engines add the bias
  /// inside that product, whose sum was never stored.
  std::span<const float> product_input;
};

/// Per element of the output: |got - value| <= bound is what a correct implementation keeps.
struct StageTruth {
  std::vector<double> value, bound;
  /// ‖terms‖₂ of the stages that are products with a weight, else empty.
  std::vector<double> terms;
};

/// Bounds follow NUMERICS' rule C3: u_out·|ref| for the output's own rounding, λ·u·√n·(‖terms‖₂ +
/// |ref|) for sums of n terms, the same of every intermediate that a plain implementation stores,
/// and what 8-bit inputs cost. λ is six standard deviations. Inputs have to be finite.
Result<StageTruth> stage_truth(StageAt at, const DecoderModel& model, AttentionKernel attention,
                               const Arithmetic& arithmetic, const StageInputs& inputs,
                               unsigned threads);

}  // namespace refute::bisect
