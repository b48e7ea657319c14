#include <algorithm>
#include <type_traits>
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

RopeConfig rope_from(ConfigFields& f) {
  RopeConfig rope;
  rope.theta = f.positive("rope.freq_base", 10000);
  const std::string type = f.text("rope.scaling.type", "none");
  if (type == "linear") {
    rope.scaling = RopeScaling::linear;
    rope.factor = f.positive("rope.scaling.factor");
  } else if (type != "none") {
    f.refuse(fmt::format("rope.scaling.type '{}' is not computed here", tensor::printable(type)),
             "none and linear are");
  }
  return rope;
}

/// The keys that would make it another forward pass.
void refuse_others(const DecoderConfig& c, ConfigFields& f) {
  if (f.count("attention.value_length", c.head_dim) != c.head_dim) {
    f.refuse("attention.value_length is not attention.key_length");
  }
  if (f.count("rope.dimension_count", c.head_dim) != c.head_dim) {
    f.refuse("rope.dimension_count is not the head's: rotating a part is not computed here");
  }
  const Value* experts = f.find("expert_count");
  if (experts != nullptr && *experts != Value(0)) f.refuse("has experts; dense models only");
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
  refuse_others(c, f);
  if (f.error()) return *f.error();
  if (const auto* eos = find(metadata, "tokenizer.ggml.eos_token_id")) {
    if (const auto* id = std::get_if<std::uint64_t>(&eos->value); id && *id <= UINT32_MAX) {
      c.end_tokens = {static_cast<std::uint32_t>(*id)};
    }
  }
  return c;
}

}  // namespace refute::forward
