#pragma once

// The stages of a decoder's forward pass, in the order in which they run, and how a user names
// them. Every stage is a function of other stages and of weights, so that it can be run alone on
// somebody else's inputs (harness/forward/stage_run.hpp).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/result.hpp"

namespace refute::tensor {

enum class Stage : std::uint8_t {
  embedding,
  attn_norm,
  qkv_matmul,
  qkv_bias,
  q_norm,
  k_norm,
  q_post_rope,
  k_post_rope,
  attn_scores,
  attn_softmax,
  attention,
  attn_out,
  post_attn_residual,
  ffn_norm,
  ffn_gate,
  ffn_up,
  ffn_silu,
  ffn_swigl,
  ffn_out,
  post_ffn_residual,
  final_norm,
  lm_head,
};
inline constexpr std::size_t kStageCount = 22;

enum class StageScope : std::uint8_t {
  first_layer,  ///< once, kept as layer 0's
  every_layer,
  whole_model,  ///< once, in no layer
};

struct StageRow {
  Stage stage;
  std::string_view name;
  std::string_view alias;  ///< empty: none
  StageScope scope;
  std::string_view shape;  ///< T tokens, S of them and of those before, in words of the config
  std::string_view what;
};

/// Row i is the stage of number i. Places that the causal mask hides are 0 in attn_scores as in
/// attn_softmax: nothing reads them, and a file of numbers compares better than one of infinities.
inline constexpr std::array<StageRow, kStageCount> kStages = {{
    {Stage::embedding, "embedding", "", StageScope::first_layer, "[T, hidden]",
     "rows of the embedding table"},
    {Stage::attn_norm, "attn_norm", "", StageScope::every_layer, "[T, hidden]",
     "RMSNorm before attention"},
    {Stage::qkv_matmul, "qkv_matmul", "", StageScope::every_layer, "[T, (heads + 2 kv_heads) D]",
     "Q, K and V projections, side by side"},
    {Stage::qkv_bias, "qkv_bias", "", StageScope::every_layer, "[T, (heads + 2 kv_heads) D]",
     "the same with their biases; models with such biases only"},
    {Stage::q_norm, "q_norm", "", StageScope::every_layer, "[T, heads, D]",
     "RMSNorm of each query head; Qwen3 only"},
    {Stage::k_norm, "k_norm", "", StageScope::every_layer, "[T, kv_heads, D]",
     "RMSNorm of each key head; Qwen3 only"},
    {Stage::q_post_rope, "q_post_rope", "", StageScope::every_layer, "[T, heads, D]",
     "queries with their positions"},
    {Stage::k_post_rope, "k_post_rope", "", StageScope::every_layer, "[T, kv_heads, D]",
     "keys with their positions"},
    {Stage::attn_scores, "attn_scores", "", StageScope::every_layer, "[heads, T, S]",
     "Q K^T / sqrt(D); naive attention only"},
    {Stage::attn_softmax, "attn_softmax", "", StageScope::every_layer, "[heads, T, S]",
     "its softmax over what a query sees; naive attention only"},
    {Stage::attention, "attention", "", StageScope::every_layer, "[T, heads D]",
     "the probabilities times V"},
    {Stage::attn_out, "attn_out", "", StageScope::every_layer, "[T, hidden]", "output projection"},
    {Stage::post_attn_residual, "post_attn_residual", "", StageScope::every_layer, "[T, hidden]",
     "plus the layer's input"},
    {Stage::ffn_norm, "ffn_norm", "", StageScope::every_layer, "[T, hidden]",
     "RMSNorm before the feed-forward part"},
    {Stage::ffn_gate, "ffn_gate", "", StageScope::every_layer, "[T, ffn]", "gate projection"},
    {Stage::ffn_up, "ffn_up", "", StageScope::every_layer, "[T, ffn]", "up projection"},
    {Stage::ffn_silu, "ffn_silu", "", StageScope::every_layer, "[T, ffn]", "SiLU of the gate"},
    {Stage::ffn_swigl, "ffn_swigl", "", StageScope::every_layer, "[T, ffn]", "times up"},
    {Stage::ffn_out, "ffn_out", "", StageScope::every_layer, "[T, hidden]", "down projection"},
    {Stage::post_ffn_residual, "post_ffn_residual", "layer_output", StageScope::every_layer,
     "[T, hidden]", "plus the feed-forward part's input"},
    {Stage::final_norm, "final_norm", "", StageScope::whole_model, "[T, hidden]",
     "RMSNorm after the last layer"},
    {Stage::lm_head, "lm_head", "", StageScope::whole_model, "[vocab]", "logits of the last token"},
}};

constexpr const StageRow& row_of(Stage s) {
  return kStages[static_cast<std::size_t>(s)];
}
constexpr std::string_view to_string(Stage s) {
  return row_of(s).name;
}

/// What the layer field of a file says for a stage that belongs to no layer.
inline constexpr std::uint32_t kWholeModel = 0xFFFFFFFFu;

/// Layers [begin, end).
struct LayerRange {
  std::uint32_t begin = 0, end = 0;
  bool contains(std::uint32_t layer) const { return begin <= layer && layer < end; }
  bool operator==(const LayerRange&) const = default;
};

/// Whether a stage can have this layer: kWholeModel for whole-model stages alone, 0 for embedding.
bool layer_fits(Stage stage, std::uint32_t layer);

/// One name or alias, in any case. The error lists the names and suggests the nearest.
Result<Stage> parse_stage(std::string_view name);

/// "a,b,c" or "all", in any case, spaces around names allowed: each stage once, in forward order.
Result<std::vector<Stage>> parse_stages(std::string_view list);

/// "A..B", B exclusive: decimal digits only, A < B.
Result<LayerRange> parse_layers(std::string_view text);

/// "layer-3/attn_norm.bin", or "lm_head.bin" for kWholeModel: where a stage's file lies in its
/// capture's folder.
std::string stage_file(Stage stage, std::uint32_t layer);

}  // namespace refute::tensor
