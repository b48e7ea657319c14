#include "harness/forward/decoder_weights.hpp"

#include <fmt/format.h>

namespace refute::forward {

bool has_weight(const DecoderConfig& c, LayerWeight weight) {
  switch (weight) {
    case LayerWeight::q_bias:
    case LayerWeight::k_bias:
    case LayerWeight::v_bias:
      return c.qkv_bias;
    case LayerWeight::q_norm:
    case LayerWeight::k_norm:
      return c.qk_norm();
    case LayerWeight::attn_norm:
    case LayerWeight::q:
    case LayerWeight::k:
    case LayerWeight::v:
    case LayerWeight::o:
    case LayerWeight::ffn_norm:
    case LayerWeight::gate:
    case LayerWeight::up:
    case LayerWeight::down:
      return true;
  }
  return false;
}

std::vector<std::size_t> shape_of(const DecoderConfig& c, LayerWeight weight) {
  switch (weight) {
    case LayerWeight::attn_norm:
    case LayerWeight::ffn_norm:
      return {c.hidden};
    case LayerWeight::q:
      return {c.q_width(), c.hidden};
    case LayerWeight::k:
    case LayerWeight::v:
      return {c.kv_width(), c.hidden};
    case LayerWeight::q_bias:
      return {c.q_width()};
    case LayerWeight::k_bias:
    case LayerWeight::v_bias:
      return {c.kv_width()};
    case LayerWeight::q_norm:
    case LayerWeight::k_norm:
      return {c.head_dim};
    case LayerWeight::o:
      return {c.hidden, c.q_width()};
    case LayerWeight::gate:
    case LayerWeight::up:
      return {c.ffn, c.hidden};
    case LayerWeight::down:
      return {c.hidden, c.ffn};
  }
  return {};
}

std::vector<std::size_t> shape_of(const DecoderConfig& c, ModelWeight weight) {
  switch (weight) {
    case ModelWeight::embedding:
    case ModelWeight::lm_head:
      return {c.vocab, c.hidden};
    case ModelWeight::final_norm:
      return {c.hidden};
  }
  return {};
}

std::string name_of(Naming naming, LayerWeight weight, std::uint32_t layer) {
  const WeightName& name = kLayerWeightNames[static_cast<std::size_t>(weight)];
  return naming == Naming::hf ? fmt::format("model.layers.{}.{}", layer, name.hf)
                              : fmt::format("blk.{}.{}", layer, name.gguf);
}

std::string name_of(Naming naming, ModelWeight weight) {
  const WeightName& name = kModelWeightNames[static_cast<std::size_t>(weight)];
  return std::string(naming == Naming::hf ? name.hf : name.gguf);
}

bool is_derived(std::string_view name) {
  return name.ends_with("rotary_emb.inv_freq") || name == "rope_freqs.weight";
}

}  // namespace refute::forward
