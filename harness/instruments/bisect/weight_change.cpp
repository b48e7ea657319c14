#include "harness/instruments/bisect/weight_change.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/forward/decoder_layout.hpp"
#include "harness/instruments/quant_diff_band.hpp"

namespace refute::bisect {
namespace {

using forward::LayerWeight;
using forward::ModelWeight;
using tensor::ModelTensor;

std::vector<LayerWeight> weights_of(Stage stage) {
  switch (stage) {
    case Stage::attn_norm:
      return {LayerWeight::attn_norm};
    case Stage::qkv_matmul:
      return {LayerWeight::q, LayerWeight::k, LayerWeight::v};
    case Stage::qkv_bias:
      return {LayerWeight::q_bias, LayerWeight::k_bias, LayerWeight::v_bias};
    case Stage::q_norm:
      return {LayerWeight::q_norm};
    case Stage::k_norm:
      return {LayerWeight::k_norm};
    case Stage::attn_out:
      return {LayerWeight::o};
    case Stage::ffn_norm:
      return {LayerWeight::ffn_norm};
    case Stage::ffn_gate:
      return {LayerWeight::gate};
    case Stage::ffn_up:
      return {LayerWeight::up};
    case Stage::ffn_out:
      return {LayerWeight::down};
    case Stage::embedding:
    case Stage::q_post_rope:
    case Stage::k_post_rope:
    case Stage::attn_scores:
    case Stage::attn_softmax:
    case Stage::attention:
    case Stage::post_attn_residual:
    case Stage::ffn_silu:
    case Stage::ffn_swigl:
    case Stage::post_ffn_residual:
    case Stage::final_norm:
    case Stage::lm_head:
      return {};
  }
  return {};
}

std::vector<const ModelTensor*> tensors_of(StageAt at, const DecoderModel& model) {
  const forward::DecoderLayout& layout = model.layout();
  if (at.stage == Stage::embedding) return {layout.model(ModelWeight::embedding)};
  if (at.stage == Stage::final_norm) return {layout.model(ModelWeight::final_norm)};
  if (at.stage == Stage::lm_head) return {layout.model(ModelWeight::lm_head)};
  std::vector<const ModelTensor*> found;
  for (const LayerWeight w : weights_of(at.stage)) {
    found.push_back(layout.layers[at.layer][static_cast<std::size_t>(w)]);
  }
  return found;
}

/// The weights of a stage as f32, each tensor by itself. Of the embedding the rows of the tokens.
Result<std::vector<std::vector<float>>> floats_of_stage(StageAt at, const DecoderModel& model,
                                                        std::span<const std::uint32_t> tokens) {
  std::vector<std::vector<float>> all;
  const auto keep = [&](std::span<const float> w) { all.emplace_back(w.begin(), w.end()); };
  if (at.stage == Stage::embedding) {
    std::vector<float> rows(tokens.size() * model.config().hidden);
    if (auto error = model.embed(tokens, rows)) return *error;
    keep(rows);
  } else if (at.layer == tensor::kWholeModel) {
    const auto weight = at.stage == Stage::lm_head ? model.head() : model.final_norm();
    if (!weight) return weight.error();
    keep(*weight);
  } else {
    const auto layer = model.layer(at.layer);
    if (!layer) return layer.error();
    for (const LayerWeight w : weights_of(at.stage)) keep((**layer)[w]);
  }
  return all;
}

double norm(std::span<const double> x) {
  double squares = 0;
  for (const double v : x) squares += v * v;
  return std::sqrt(squares);
}

}  // namespace

std::optional<WeightBand> weight_band(StageAt at, const DecoderModel& original,
                                      const DecoderModel& stored) {
  const auto from = tensors_of(at, original), to = tensors_of(at, stored);
  if (from.empty()) return std::nullopt;
  WeightBand band;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const auto expected = instruments::expected_band(from[i]->type, to[i]->type);
    if (!expected) return std::nullopt;
    if (band.types.empty() || expected->high > band.high) {
      band.types = fmt::format("{}>{}", to_string(from[i]->type), to_string(to[i]->type));
    }
    band.high = std::max(band.high, expected->high);
  }
  return band;
}

Result<std::optional<QuantisationError>> weight_change(StageAt at, const DecoderModel& original,
                                                       const DecoderModel& stored,
                                                       AttentionKernel attention,
                                                       const StageInputs& inputs,
                                                       unsigned threads) {
  const auto band = weight_band(at, original, stored);
  if (!band) return std::optional<QuantisationError>();
  const Arithmetic exact = {.exact_sums = true};
  const auto before = stage_truth(at, original, attention, exact, inputs, threads);
  if (!before) return before.error();
  const auto after = stage_truth(at, stored, attention, exact, inputs, threads);
  if (!after) return after.error();
  std::vector<double> difference(before->value.size());
  std::ranges::transform(before->value, after->value, difference.begin(), std::minus<>());
  const double size = norm(before->terms.empty() ? before->value : before->terms);
  const double change = norm(difference);
  const auto from = floats_of_stage(at, original, inputs.tokens);
  if (!from) return from.error();
  const auto to = floats_of_stage(at, stored, inputs.tokens);
  if (!to) return to.error();
  QuantisationError error{.types = band->types, .band = band->high};
  error.output = size != 0 ? change / size : change == 0 ? 0 : INFINITY;
  for (std::size_t i = 0; i < from->size(); ++i) {
    error.stored = std::max(error.stored, distance((*to)[i], (*from)[i], 1).relative);
  }
  return std::optional(error);
}

}  // namespace refute::bisect
