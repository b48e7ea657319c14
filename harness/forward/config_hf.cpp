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

void read_llama3(RopeConfig& rope, ConfigFields& f) {
  rope.scaling = RopeScaling::llama3;
  rope.factor = f.positive("factor");
  rope.low_frequency_factor = f.positive("low_freq_factor");
  rope.high_frequency_factor = f.positive("high_freq_factor");
  rope.original_context = static_cast<double>(f.count("original_max_position_embeddings"));
  if (!(rope.high_frequency_factor > rope.low_frequency_factor)) {
    f.refuse("high_freq_factor is not above low_freq_factor");
  }
}

void refuse_part_of_head(ConfigFields& f) {
  if (f.positive("partial_rotary_factor", 1) != 1) {
    f.refuse("partial_rotary_factor is not 1: rotating a part of a head is not computed here");
  }
}

/// rope_scaling of older files, or rope_parameters of newer ones, which has the base as well.
void read_rope(const Value& map, std::string_view key, RopeConfig& rope, ConfigFields& outer) {
  if (!map.is_map()) return outer.refuse(fmt::format("{} is no object", key));
  ConfigFields f(map, std::string(key));
  for (const auto& [name, value] : *map.as_map()) {
    if (value.is_map()) {
      f.refuse(fmt::format("has a RoPE of its own for '{}' layers", tensor::printable(name)),
               "one for all layers is computed here");
    }
  }
  rope.theta = f.positive("rope_theta", rope.theta);
  const std::string type = f.text("rope_type", f.text("type", "default"));
  if (type == "linear") {
    rope.scaling = RopeScaling::linear;
    rope.factor = f.positive("factor");
  } else if (type == "llama3") {
    read_llama3(rope, f);
    const double beside =
        f.error() ? 0 : outer.positive("original_max_position_embeddings", rope.original_context);
    if (!f.error() && beside != rope.original_context) {
      f.refuse("original_max_position_embeddings is another one beside it",
               "transformers prefers the other; make them one");
    }
  } else if (type != "default") {
    f.refuse(fmt::format("rope_type '{}' is not computed here", tensor::printable(type)),
             "default, linear and llama3 are");
  }
  refuse_part_of_head(f);
  if (f.error()) outer.refuse(f.error()->what, f.error()->hint);
}

bool says_something(const Value* map) {
  return map != nullptr && !(map->is_map() && map->as_map()->empty());
}

/// As transformers 5 reads it (RotaryEmbeddingConfigMixin.convert_rope_params_to_dict): where there
/// is a rope_scaling, it takes the whole place of rope_parameters, whose base is lost with it.
RopeConfig rope_from(ConfigFields& f) {
  RopeConfig rope;
  const Value* parameters = f.find("rope_parameters");
  const Value* scaling = f.find("rope_scaling");
  rope.theta = f.positive("rope_theta", 10000);
  refuse_part_of_head(f);
  if (!says_something(scaling)) {
    if (says_something(parameters)) read_rope(*parameters, "rope_parameters", rope, f);
    return rope;
  }
  read_rope(*scaling, "rope_scaling", rope, f);
  if (!says_something(parameters)) return rope;
  RopeConfig replaced{.theta = rope.theta};
  ConfigFields old(*parameters, "rope_parameters");
  replaced.theta = old.positive("rope_theta", rope.theta);
  if (old.error() || replaced.theta != rope.theta) {
    f.refuse(fmt::format("rope_scaling takes the place of rope_parameters, and with it of its "
                         "rope_theta {}: {} is left",
                         replaced.theta, rope.theta),
             "have one of the two, with rope_theta in it");
  }
  return rope;
}

bool slides(const Value& kind, ConfigFields& f) {
  const std::string* name = kind.as_string();
  if (name != nullptr && *name == "sliding_attention") return true;
  if (name == nullptr || *name != "full_attention") {
    f.refuse(fmt::format("layer_types has '{}'", name == nullptr ? "" : tensor::printable(*name)),
             "full_attention and sliding_attention are known");
  }
  return false;
}

/// Whether any layer looks through the window: by layer_types, else those from max_window_layers
/// on, with the defaults of Qwen's own code.
bool any_layer_slides(const DecoderConfig& c, ConfigFields& f) {
  const Value* types = f.find("layer_types");
  if (types == nullptr) return f.count_or_zero("max_window_layers", 28) < c.layers;
  if (!types->is_list()) {
    f.refuse("layer_types is no list");
    return true;
  }
  bool any = false;
  for (const Value& kind : *types->as_list()) any = slides(kind, f) || any;
  return any;
}

std::optional<std::size_t> window_of(const Value& json, const DecoderConfig& c, ConfigFields& f) {
  const bool any = any_layer_slides(c, f);
  const bool off = json.find("sliding_window") != nullptr && f.find("sliding_window") == nullptr;
  const bool used = f.flag("use_sliding_window", false) && !off;
  if (!used && any && f.find("layer_types") != nullptr) {
    f.refuse("layer_types has sliding_attention, and no window is used");
  }
  if (!used || !any) return std::nullopt;
  return f.count("sliding_window", 4096);
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
  ConfigFields f(json, "");
  if (!json.is_map()) return Error{"is no object", ""};
  const std::string type = f.text("model_type");
  const auto family = family_named(type);
  if (!f.error() && !family) {
    return Error{fmt::format("model_type '{}' is not computed here", tensor::printable(type)),
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
  c.sliding_window = window_of(json, c, f);
  c.rms_epsilon = f.positive("rms_norm_eps", 1e-6);
  c.rope = rope_from(f);
  c.tied_head = f.flag("tie_word_embeddings", false);
  c.qkv_bias = c.family == Family::qwen2 || f.flag("attention_bias", false);
  c.end_tokens = end_tokens(f);
  const std::string act = f.text("hidden_act", "silu");
  if (act != "silu" && act != "swish")
    f.refuse("hidden_act is not silu, nor swish, its other name");
  if (f.error()) return *f.error();
  return c;
}

}  // namespace refute::forward
