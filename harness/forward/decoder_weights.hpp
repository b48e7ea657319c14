#pragma once

// Which tensors a decoder has, what they are called in either kind of file, and of which shape.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/forward/config.hpp"

namespace refute::forward {

enum class LayerWeight : std::uint8_t {
  attn_norm,
  q,
  k,
  v,
  q_bias,
  k_bias,
  v_bias,
  q_norm,
  k_norm,
  o,
  ffn_norm,
  gate,
  up,
  down,
};
inline constexpr std::size_t kLayerWeightCount = 14;

enum class ModelWeight : std::uint8_t { embedding, final_norm, lm_head };
inline constexpr std::size_t kModelWeightCount = 3;

struct WeightName {
  std::string_view hf, gguf;  ///< after "model.layers.N." and "blk.N.", or whole
};
inline constexpr std::array<WeightName, kLayerWeightCount> kLayerWeightNames = {{
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
}};
inline constexpr std::array<WeightName, kModelWeightCount> kModelWeightNames = {{
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
}};

/// Whether a model of this config has the weight; a tied head is the embedding table.
bool has_weight(const DecoderConfig& config, LayerWeight weight);

/// [rows, cols] of matrices, [n] of biases and norms.
std::vector<std::size_t> shape_of(const DecoderConfig& config, LayerWeight weight);
std::vector<std::size_t> shape_of(const DecoderConfig& config, ModelWeight weight);

enum class Naming : std::uint8_t { hf, gguf };
std::string name_of(Naming naming, LayerWeight weight, std::uint32_t layer);
std::string name_of(Naming naming, ModelWeight weight);

/// Tensors that such files carry and no forward pass needs: tables that follow from the config.
bool is_derived(std::string_view tensor_name);

}  // namespace refute::forward
