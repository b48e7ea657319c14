#include <algorithm>

#include <fmt/format.h>

#include "harness/forward/config.hpp"
#include "harness/forward/config_fields.hpp"
#include "harness/tensor/text.hpp"

namespace refute::forward {
namespace {

std::optional<Family> family_named(std::string_view name) {
  const auto at = std::ranges::find(kFamilyNames, name);
  if (at == kFamilyNames.end()) return std::nullopt;
  return static_cast<Family>(at - kFamilyNames.begin());
}

/// rope_scaling of older files, or the same members in rope_parameters of newer ones.
void read_scaling(const Value& map, std::string_view key, RopeConfig& rope, ConfigFields& outer) {
  ConfigFields f(map, fmt::format("config.json: {}", key));
  const std::string type = f.text("rope_type", f.text("type", "default"));
  if (type == "linear") {
    rope.scaling = RopeScaling::linear;
    rope.factor = f.positive("factor");
  } else if (type == "llama3") {
    rope.scaling = RopeScaling::llama3;
    rope.factor = f.positive("factor");
    rope.low_frequency_factor = f.positive("low_freq_factor");
    rope.high_frequency_factor = f.positive("high_freq_factor");
    rope.original_context = static_cast<double>(f.count("original_max_position_embeddings"));
    if (!(rope.high_frequency_factor > rope.low_frequency_factor)) {
      f.refuse("high_freq_factor is not above low_freq_factor");
    }
  } else if (type != "default") {
    f.refuse(fmt::format("rope_type '{}' is not computed here", tensor::printable(type)),
             "default, linear and llama3 are");
  }
  if (f.error()) outer.refuse(f.error()->what, f.error()->hint);
}

RopeConfig rope_from(ConfigFields& f) {
  RopeConfig rope;
  const Value* parameters = f.find("rope_parameters");
  const Value* scaling = f.find("rope_scaling");
  rope.theta = f.positive("rope_theta", 10000);
  if (parameters != nullptr) {
    ConfigFields inner(*parameters, "config.json: rope_parameters");
    rope.theta = inner.positive("rope_theta", rope.theta);
    if (inner.error()) f.refuse(inner.error()->what, inner.error()->hint);
    read_scaling(*parameters, "rope_parameters", rope, f);
  } else if (scaling != nullptr) {
    read_scaling(*scaling, "rope_scaling", rope, f);
  }
  if (f.positive("partial_rotary_factor", 1) != 1) {
    f.refuse("partial_rotary_factor is not 1: rotating a part of a head is not computed here");
  }
  return rope;
}

std::vector<std::uint32_t> end_tokens(const ConfigFields& f) {
  std::vector<std::uint32_t> ends;
  const auto add = [&](const Value& value) {
    const std::int64_t* id = value.as_int();
    if (id != nullptr && *id >= 0 && *id <= UINT32_MAX) {
      ends.push_back(static_cast<std::uint32_t>(*id));
    }
  };
  const Value* eos = f.find("eos_token_id");
  if (eos == nullptr) return ends;
  if (const Value::List* list = eos->as_list()) {
    std::ranges::for_each(*list, add);
  } else {
    add(*eos);
  }
  return ends;
}

}  // namespace

Result<DecoderConfig> config_from_hf(const Value& json) {
  ConfigFields f(json, "config.json");
  if (!json.is_map()) return Error{"config.json: is no object", ""};
  const std::string type = f.text("model_type");
  const auto family = family_named(type);
  if (!f.error() && !family) {
    return Error{
        fmt::format("config.json: model_type '{}' is not computed here", tensor::printable(type)),
        "the dense llama, qwen2 and qwen3 families are"};
  }
  DecoderConfig c;
  c.family = family.value_or(Family::llama);
  c.layers = static_cast<std::uint32_t>(f.count("num_hidden_layers"));
  c.hidden = f.count("hidden_size");
  c.ffn = f.count("intermediate_size");
  c.vocab = f.count("vocab_size");
  c.heads = f.count("num_attention_heads");
  c.kv_heads = f.count("num_key_value_heads", c.heads);
  c.head_dim = f.count("head_dim", c.qk_norm() ? std::size_t{128} : c.hidden / c.heads);
  c.context = f.find("max_position_embeddings") ? f.count("max_position_embeddings") : 0;
  if (f.flag("use_sliding_window", false) && f.find("sliding_window") != nullptr) {
    c.sliding_window = f.count("sliding_window");
  }
  c.rms_epsilon = f.positive("rms_norm_eps", 1e-6);
  c.rope = rope_from(f);
  c.tied_head = f.flag("tie_word_embeddings", false);
  c.qkv_bias = c.family == Family::qwen2 || f.flag("attention_bias", false);
  c.end_tokens = end_tokens(f);
  if (f.text("hidden_act", "silu") != "silu") f.refuse("hidden_act is not silu");
  if (f.error()) return *f.error();
  return c;
}

}  // namespace refute::forward
