#include "harness/forward/stage_run.hpp"

namespace refute::forward {
namespace {

using enum Stage;

Stage qkv_of(const DecoderConfig& c) {
  return c.qkv_bias ? qkv_bias : qkv_matmul;
}

StageAt layer_input(std::uint32_t layer) {
  return layer == 0 ? StageAt{embedding, 0} : StageAt{post_ffn_residual, layer - 1};
}

}  // namespace

std::vector<StageAt> stage_inputs(StageAt at, const DecoderConfig& c, AttentionKernel attention) {
  const std::uint32_t layer = at.layer;
  const auto here = [&](Stage s) { return StageAt{s, layer}; };
  switch (at.stage) {
    case embedding:
      return {};
    case attn_norm:
      return {layer_input(layer)};
    case qkv_matmul:
      return {here(attn_norm)};
    case qkv_bias:
      return {here(qkv_matmul)};
    case q_norm:
    case k_norm:
      return {here(qkv_of(c))};
    case q_post_rope:
      return {here(c.qk_norm() ? q_norm : qkv_of(c))};
    case k_post_rope:
      return {here(c.qk_norm() ? k_norm : qkv_of(c))};
    case attn_scores:
      return {here(q_post_rope), here(k_post_rope)};
    case attn_softmax:
      return {here(attn_scores)};
    case Stage::attention:
      if (attention == AttentionKernel::naive) return {here(attn_softmax), here(qkv_of(c))};
      return {here(q_post_rope), here(k_post_rope), here(qkv_of(c))};
    case attn_out:
      return {here(Stage::attention)};
    case post_attn_residual:
      return {layer_input(layer), here(attn_out)};
    case ffn_norm:
      return {here(post_attn_residual)};
    case ffn_gate:
    case ffn_up:
      return {here(ffn_norm)};
    case ffn_silu:
      return {here(ffn_gate)};
    case ffn_swigl:
      return {here(ffn_silu), here(ffn_up)};
    case ffn_out:
      return {here(ffn_swigl)};
    case post_ffn_residual:
      return {here(post_attn_residual), here(ffn_out)};
    case final_norm:
      return {{post_ffn_residual, c.layers - 1}};
    case lm_head:
      return {{final_norm, tensor::kWholeModel}};
  }
  return {};
}

std::vector<StageAt> forward_order(const DecoderConfig& c, AttentionKernel attention) {
  std::vector<StageAt> order = {{embedding, 0}};
  for (std::uint32_t layer = 0; layer < c.layers; ++layer) {
    for (const tensor::StageRow& row : tensor::kStages) {
      if (row.scope != tensor::StageScope::every_layer) continue;
      if (has_stage(row.stage, c, attention)) order.push_back({row.stage, layer});
    }
  }
  order.push_back({final_norm, tensor::kWholeModel});
  order.push_back({lm_head, tensor::kWholeModel});
  return order;
}

std::vector<std::size_t> stage_shape(Stage stage, const DecoderConfig& c, std::size_t tokens,
                                     std::size_t past) {
  switch (stage) {
    case embedding:
    case attn_norm:
    case attn_out:
    case post_attn_residual:
    case ffn_norm:
    case ffn_out:
    case post_ffn_residual:
    case final_norm:
      return {tokens, c.hidden};
    case qkv_matmul:
    case qkv_bias:
      return {tokens, c.qkv_width()};
    case q_norm:
    case q_post_rope:
      return {tokens, c.heads, c.head_dim};
    case k_norm:
    case k_post_rope:
      return {tokens, c.kv_heads, c.head_dim};
    case attn_scores:
    case attn_softmax:
      return {c.heads, tokens, past + tokens};
    case Stage::attention:
      return {tokens, c.q_width()};
    case ffn_gate:
    case ffn_up:
    case ffn_silu:
    case ffn_swigl:
      return {tokens, c.ffn};
    case lm_head:
      return {c.vocab};
  }
  return {};
}

}  // namespace refute::forward
