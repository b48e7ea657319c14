#include <algorithm>
#include <cmath>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "harness/forward/config.hpp"
#include "harness/forward/config_fields.hpp"
#include "harness/tensor/text.hpp"

namespace refute::forward {
namespace {

Value scalar(const tensor::MetaValue& meta) {
  return std::visit(
      [](const auto& x) -> Value {
        using T = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<T, tensor::MetaArray>) {
          return Value::List{};  // of no use here, and no number either
        } else if constexpr (std::is_same_v<T, float>) {
          return static_cast<double>(x);
        } else {
          return x;
        }
      },
      meta.value);
}

/// The keys of one architecture, without its name in front.
Value keys_of(const tensor::Metadata& metadata, const std::string& architecture) {
  Value map = Value::Map{};
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(architecture + ".")) {
      map.set(key.substr(architecture.size() + 1), scalar(value));
    }
  }
  return map;
}

/// llama.cpp divides by the factor where the type is not said, too, and not by one of zero.
double scaling_factor(ConfigFields& f) {
  const auto factor = [&](const char* key) {
    const Value* value = f.find(key);
    return value != nullptr && *value == Value(0.0) ? 1.0 : f.positive(key, 1);
  };
  const double now = factor("rope.scaling.factor"), old = factor("rope.scale_linear");
  if (f.find("rope.scaling.factor") == nullptr) return old;
  if (f.find("rope.scale_linear") != nullptr && now != old) {
    f.refuse("rope.scaling.factor and rope.scale_linear, its old name, disagree");
  }
  return now;
}

RopeConfig rope_from(ConfigFields& f) {
  RopeConfig rope;
  rope.theta = f.positive("rope.freq_base", 10000);
  const std::string type = f.text("rope.scaling.type", "linear");
  const double factor = scaling_factor(f);
  if (type == "linear" && factor != 1) {
    rope.scaling = RopeScaling::linear;
    rope.factor = factor;
  } else if (type != "linear" && type != "none") {
    f.refuse(fmt::format("rope.scaling.type '{}' is not computed here", tensor::printable(type)),
             "none and linear are");
  }
  return rope;
}

/// What decides how attention and RoPE are computed and is read here, or says nothing about it.
constexpr std::string_view kRead[] = {
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.scale",
    "attention.sliding_window",
    "attention.layer_norm_epsilon",  // of norms that these families do not have
    "attention.layer_norm_rms_epsilon",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scale_linear",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned"};

/// Keys that change nothing at this value, and at any other make another forward pass.
constexpr std::pair<std::string_view, double> kNeutral[] = {{"rope.scaling.attn_factor", 1},
                                                            {"attention.causal", 1},
                                                            {"attention.clamp_kqv", 0},
                                                            {"attention.max_alibi_bias", 0},
                                                            {"attn_logit_softcapping", 0},
                                                            {"final_logit_softcapping", 0},
                                                            {"embedding_scale", 1},
                                                            {"residual_scale", 1},
                                                            {"logit_scale", 1},
                                                            {"use_parallel_residual", 0},
                                                            {"expert_count", 0}};

void refuse_unless_neutral(ConfigFields& f) {
  for (const auto& [key, neutral] : kNeutral) {
    const Value* value = f.find(key);
    if (value == nullptr || *value == Value(neutral) ||
        *value == Value(static_cast<int>(neutral)) || *value == Value(neutral != 0)) {
      continue;
    }
    f.refuse(fmt::format("{} is not {}, and what that makes is not computed here", key, neutral),
             "the dense llama, qwen2 and qwen3 families are, as they were published");
  }
}

/// A key about attention or RoPE that is not known may decide what is computed.
void refuse_unknown(const Value& keys, ConfigFields& f) {
  for (const auto& [key, value] : *keys.as_map()) {
    if (!key.starts_with("attention.") && !key.starts_with("rope.")) continue;
    if (std::ranges::find(kRead, key) != std::end(kRead)) continue;
    if (std::ranges::find(kNeutral, key, [](const auto& n) { return n.first; }) !=
        std::end(kNeutral)) {
      continue;
    }
    f.refuse(fmt::format("{} is not known here, and may decide what is computed",
                         tensor::printable(key)));
  }
}

/// The keys that would make it another forward pass.
void refuse_others(const DecoderConfig& c, const Value& keys, ConfigFields& f) {
  if (f.count("attention.value_length", c.head_dim) != c.head_dim) {
    f.refuse("attention.value_length is not attention.key_length");
  }
  if (f.count("rope.dimension_count", c.head_dim) != c.head_dim) {
    f.refuse("rope.dimension_count is not the head's: rotating a part is not computed here");
  }
  const double usual = 1 / std::sqrt(static_cast<double>(c.head_dim));
  const Value* scale = f.find("attention.scale");
  if (scale != nullptr && *scale != Value(0.0) &&
      !(std::abs(f.positive("attention.scale") - usual) <= 1e-6 * usual)) {
    f.refuse("attention.scale is not 1/√key_length, which is what is computed here");
  }
  refuse_unless_neutral(f);
  refuse_unknown(keys, f);
}

}  // namespace

Result<DecoderConfig> config_from_gguf(const tensor::Metadata& metadata) {
  const tensor::MetaValue* name = find(metadata, "general.architecture");
  const std::string* architecture = name ? std::get_if<std::string>(&name->value) : nullptr;
  if (architecture == nullptr) return Error{"GGUF metadata: has no general.architecture", ""};
  const auto known = std::ranges::find(kFamilyNames, *architecture);
  if (known == kFamilyNames.end()) {
    return Error{fmt::format("GGUF metadata: the architecture '{}' is not computed here",
                             tensor::printable(*architecture)),
                 "the dense llama, qwen2 and qwen3 families are"};
  }
  const Value keys = keys_of(metadata, *architecture);
  ConfigFields f(keys, "GGUF metadata: " + *architecture);
  DecoderConfig c;
  c.family = static_cast<Family>(known - kFamilyNames.begin());
  c.layers = static_cast<std::uint32_t>(f.count("block_count"));
  c.hidden = f.count("embedding_length");
  c.ffn = f.count("feed_forward_length");
  c.heads = f.count("attention.head_count");
  c.kv_heads = f.count("attention.head_count_kv", c.heads);
  c.head_dim = f.count("attention.key_length", c.hidden / c.heads);
  c.context = f.find("context_length") ? f.count("context_length") : 0;
  if (const Value* window = f.find("attention.sliding_window"); window && *window != Value(0)) {
    c.sliding_window = f.count("attention.sliding_window");
  }
  c.rms_epsilon = f.positive("attention.layer_norm_rms_epsilon");
  c.rope = rope_from(f);
  refuse_others(c, keys, f);
  if (f.error()) return *f.error();
  if (const auto* eos = find(metadata, "tokenizer.ggml.eos_token_id")) {
    if (const auto* id = std::get_if<std::uint64_t>(&eos->value); id && *id <= UINT32_MAX) {
      c.end_tokens = {static_cast<std::uint32_t>(*id)};
    }
  }
  return c;
}

}  // namespace refute::forward
