#include "harness/forward/config.hpp"

#include <cmath>

#include "harness/catch.hpp"
#include "harness/json/json.hpp"

namespace refute::forward {
namespace {

constexpr const char* kQwen3 = R"({"model_type": "qwen3", "num_hidden_layers": 28,
  "hidden_size": 1024, "intermediate_size": 3072, "num_attention_heads": 16,
  "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "rms_norm_eps": 1e-06,
  "rope_theta": 1000000, "rope_scaling": null, "tie_word_embeddings": true, "hidden_act": "silu",
  "attention_bias": false, "max_position_embeddings": 40960, "sliding_window": null,
  "use_sliding_window": false, "eos_token_id": 151645, "max_window_layers": 28})";

Value parsed(const std::string& text) {
  const auto value = json::parse(text);
  REQUIRE(value);
  return *value;
}

DecoderConfig config_of(const Value& json) {
  const auto config = config_from_hf(json);
  if (!config) FAIL(config.error().what);
  return *config;
}

/// The published config with one member changed.
Value with(std::string_view key, Value value) {
  Value json = parsed(kQwen3);
  json.set(key, std::move(value));
  return json;
}

std::string refusal(const Value& json) {
  const auto config = config_from_hf(json);
  return config ? "" : config.error().what;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

tensor::Metadata gguf(std::vector<std::pair<std::string, tensor::MetaValue>> more = {}) {
  using tensor::MetaType;
  const auto number = [](std::uint64_t n) { return tensor::MetaValue{MetaType::u32, n}; };
  tensor::Metadata m = {
      {"general.architecture", {MetaType::string, std::string("qwen2")}},
      {"qwen2.block_count", number(4)},
      {"qwen2.embedding_length", number(64)},
      {"qwen2.feed_forward_length", number(96)},
      {"qwen2.attention.head_count", number(8)},
      {"qwen2.attention.head_count_kv", number(2)},
      {"qwen2.attention.layer_norm_rms_epsilon", {MetaType::f32, 1e-6f}},
      {"qwen2.rope.freq_base", {MetaType::f32, 1e6f}},
      {"qwen2.context_length", number(4096)},
  };
  for (auto& pair : more) {
    std::erase_if(m, [&](const auto& old) { return old.first == pair.first; });
    m.push_back(std::move(pair));
  }
  return m;
}

}  // namespace

TEST_CASE("a published config is read in full") {
  const DecoderConfig c = config_of(parsed(kQwen3));
  CHECK(c.family == Family::qwen3);
  CHECK(c.layers == 28);
  CHECK(c.q_width() == 2048);
  CHECK(c.qkv_width() == 4096);
  CHECK(c.rms_epsilon == 1e-6);
  CHECK(c.rope.theta == 1e6);
  CHECK(c.rope.scaling == RopeScaling::none);
  CHECK(c.tied_head);
  CHECK_FALSE(c.qkv_bias);
  CHECK(c.qk_norm());
  CHECK_FALSE(c.sliding_window);
  CHECK(c.end_tokens == std::vector<std::uint32_t>{151645});
  CHECK(c.context == 40960);
}

TEST_CASE("what a config leaves out is what the models' own code takes") {
  const DecoderConfig c = config_of(parsed(R"({"model_type": "llama", "num_hidden_layers": 1,
    "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "vocab_size": 10})"));
  CHECK(c.kv_heads == 4);
  CHECK(c.head_dim == 16);
  CHECK(c.rope.theta == 10000);
  CHECK(c.rms_epsilon == 1e-6);
  CHECK_FALSE(c.tied_head);
  CHECK(config_of(with("model_type", "qwen2")).qkv_bias);
  CHECK(config_of(with("attention_bias", true)).qkv_bias);
}

TEST_CASE("newer files keep what belongs to RoPE in one place") {
  const Value json =
      with("rope_parameters",
           Value::Map{{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 500000.0}});
  const DecoderConfig c = config_of(json);
  CHECK(c.rope.theta == 500000);
  CHECK(c.rope.scaling == RopeScaling::linear);
  CHECK(c.rope.factor == 4);
}

TEST_CASE("a window that is not used is none") {
  CHECK_FALSE(config_of(with("sliding_window", 4096)).sliding_window);
  Value json = with("sliding_window", 4096);
  json.set("use_sliding_window", true);
  json.set("max_window_layers", 21);
  CHECK(config_of(json).sliding_window == 4096u);
}

TEST_CASE("what is not computed here is refused by name") {
  CHECK(has(refusal(with("model_type", "mixtral")), "mixtral"));
  CHECK(has(refusal(with("rope_scaling", Value::Map{{"type", "yarn"}, {"factor", 2}})), "yarn"));
  CHECK(has(refusal(with("rope_scaling", Value::Map{{"type", "linear"}})), "factor"));
  CHECK(has(refusal(with("hidden_act", "gelu_pytorch_tanh")), "hidden_act"));
  CHECK(has(refusal(with("hidden_size", 0)), "hidden_size"));
  CHECK(has(refusal(with("hidden_size", -4)), "hidden_size"));
  CHECK(has(refusal(with("hidden_size", std::int64_t{1} << 40)), "hidden_size"));
  CHECK(has(refusal(with("hidden_size", 64.0)), "hidden_size"));
  CHECK(has(refusal(with("num_hidden_layers", Value())), "num_hidden_layers"));
  CHECK(has(refusal(with("rope_theta", "10000")), "rope_theta"));
  CHECK(has(refusal(with("tie_word_embeddings", 1)), "tie_word_embeddings"));
  CHECK(has(refusal(Value::List{}), "no object"));
}

TEST_CASE("GGUF's metadata say the same in other words") {
  const auto c = config_from_gguf(gguf());
  REQUIRE(c);
  CHECK(c->family == Family::qwen2);
  CHECK(c->head_dim == 8);
  CHECK(c->kv_heads == 2);
  CHECK(c->rope.theta == 1e6);
  CHECK(c->context == 4096);
  using tensor::MetaType;
  const auto refused = [](std::string key, tensor::MetaValue value) {
    return !config_from_gguf(gguf({{std::move(key), std::move(value)}}));
  };
  CHECK(refused("general.architecture", {MetaType::string, std::string("qwen2moe")}));
  CHECK(refused("qwen2.expert_count", {MetaType::u32, std::uint64_t{8}}));
  CHECK(refused("qwen2.rope.dimension_count", {MetaType::u32, std::uint64_t{4}}));
  CHECK(refused("qwen2.attention.value_length", {MetaType::u32, std::uint64_t{4}}));
  CHECK(refused("qwen2.rope.scaling.type", {MetaType::string, std::string("yarn")}));
  CHECK(refused("qwen2.attention.head_count_kv", {MetaType::array, tensor::MetaArray{}}));
  CHECK(refused("qwen2.block_count", {MetaType::f32, 4.0f}));
  CHECK_FALSE(config_from_gguf({}));
}

TEST_CASE("rope_scaling takes the place of rope_parameters, as transformers has it") {
  const auto scaled = [](Value parameters, Value scaling) {
    Value json = with("rope_parameters", std::move(parameters));
    json.set("rope_scaling", std::move(scaling));
    return json;
  };
  const Value plain = Value::Map{{"rope_type", "default"}, {"rope_theta", 1e6}};
  const Value linear = Value::Map{{"rope_type", "linear"}, {"factor", 4.0}};
  // The base beside both is the same one, so nothing is lost.
  DecoderConfig c = config_of(scaled(plain, linear));
  CHECK(c.rope.scaling == RopeScaling::linear);
  CHECK(c.rope.factor == 4);
  CHECK(c.rope.theta == 1e6);
  c = config_of(scaled(linear, Value::Map{{"type", "default"}}));
  CHECK(c.rope.scaling == RopeScaling::none);
  // An empty one takes no place.
  c = config_of(scaled(linear, Value::Map{}));
  CHECK(c.rope.scaling == RopeScaling::linear);
  // The block that model cards recommend, in a file that transformers 5 wrote.
  const Value yarn = Value::Map{{"rope_type", "yarn"}, {"factor", 4.0}};
  CHECK(refusal(scaled(plain, yarn)).starts_with("rope_scaling: rope_type 'yarn'"));
  Value lost = scaled(Value::Map{{"rope_theta", 5e5}}, linear);
  CHECK(has(refusal(lost), "rope_theta 500000: 1000000 is left"));
  lost.set("rope_scaling", Value::Map{{"type", "linear"}, {"factor", 4}, {"rope_theta", 5e5}});
  CHECK(config_of(lost).rope.theta == 5e5);
}

TEST_CASE("what belongs to RoPE and is not computed is refused wherever it stands") {
  const auto parameters = [](Value map) {
    return refusal(with("rope_parameters", std::move(map)));
  };
  CHECK(has(parameters(Value::Map{{"partial_rotary_factor", 0.5}}), "partial_rotary_factor"));
  CHECK(has(refusal(with("partial_rotary_factor", 0.5)), "partial_rotary_factor"));
  CHECK(has(parameters(Value::Map{{"full_attention", Value::Map{{"rope_theta", 1e4}}}}),
            "full_attention"));
  CHECK(has(parameters("default"), "rope_parameters is no object"));
  CHECK(has(parameters(Value::Map{{"rope_type", "linear"}}), "rope_parameters: has no factor"));
  const Value llama3 = Value::Map{{"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 8192}};
  Value json = with("rope_scaling", llama3);
  CHECK(config_of(json).rope.scaling == RopeScaling::llama3);
  json.set("original_max_position_embeddings", 4096);
  CHECK(has(refusal(json), "original_max_position_embeddings"));
}

TEST_CASE("a window counts where a layer looks through it") {
  Value json = with("use_sliding_window", true);
  CHECK_FALSE(config_of(json).sliding_window);  // null: none
  json.set("sliding_window", 4096);
  CHECK_FALSE(config_of(json).sliding_window);  // from layer 28 on, of 28
  json.set("max_window_layers", 27);
  CHECK(config_of(json).sliding_window == 4096u);
  json.set("max_window_layers", 0);
  CHECK(config_of(json).sliding_window == 4096u);
  json.set("layer_types", Value::List{"full_attention", "full_attention"});
  CHECK_FALSE(config_of(json).sliding_window);
  json.set("layer_types", Value::List{"full_attention", "sliding_attention"});
  CHECK(config_of(json).sliding_window == 4096u);
  json.set("use_sliding_window", false);
  CHECK(has(refusal(json), "layer_types"));
  json.set("layer_types", Value::List{"chunked_attention"});
  CHECK(has(refusal(json), "chunked_attention"));
}

TEST_CASE("silu has two names") {
  CHECK(refusal(with("hidden_act", "swish")).empty());
}

TEST_CASE("GGUF's scaling is read as llama.cpp reads it") {
  using tensor::MetaType;
  const tensor::MetaValue four = {MetaType::f32, 4.0f}, eight = {MetaType::f32, 8.0f};
  const auto rope = [](std::vector<std::pair<std::string, tensor::MetaValue>> keys) {
    const auto c = config_from_gguf(gguf(std::move(keys)));
    if (!c) FAIL(c.error().what);
    return c->rope;
  };
  const auto type = [](const char* name) {
    return std::pair<std::string, tensor::MetaValue>("qwen2.rope.scaling.type",
                                                     {MetaType::string, std::string(name)});
  };
  // No type is linear; the factor had another name once.
  CHECK(rope({{"qwen2.rope.scaling.factor", four}}).scaling == RopeScaling::linear);
  CHECK(rope({{"qwen2.rope.scaling.factor", four}}).factor == 4);
  CHECK(rope({{"qwen2.rope.scale_linear", four}}).factor == 4);
  CHECK(rope({{"qwen2.rope.scale_linear", four}, type("linear")}).factor == 4);
  CHECK(rope({{"qwen2.rope.scale_linear", four}, type("none")}).scaling == RopeScaling::none);
  CHECK(rope({{"qwen2.rope.scale_linear", {MetaType::f32, 0.0f}}}).scaling == RopeScaling::none);
  CHECK(rope({type("linear")}).scaling == RopeScaling::none);
  CHECK_FALSE(config_from_gguf(
      gguf({{"qwen2.rope.scaling.factor", four}, {"qwen2.rope.scale_linear", eight}})));
}

TEST_CASE("a key of GGUF that would make another forward pass is refused by name") {
  using tensor::MetaType;
  const auto refused = [](const std::string& key, tensor::MetaValue value) {
    const auto c = config_from_gguf(gguf({{"qwen2." + key, std::move(value)}}));
    return !c && has(c.error().what, key);
  };
  for (const char* key :
       {"rope.scaling.attn_factor", "attention.clamp_kqv", "attention.max_alibi_bias",
        "attn_logit_softcapping", "final_logit_softcapping", "embedding_scale", "residual_scale",
        "logit_scale", "attention.scale", "rope.scaling.yarn_log_multiplier", "rope.freq_base_swa",
        "attention.temperature_length", "attention.key_length_mla"}) {
    CAPTURE(key);
    CHECK(refused(key, {MetaType::f32, 0.5f}));
  }
  CHECK(refused("attention.causal", {MetaType::boolean, false}));
  CHECK(refused("use_parallel_residual", {MetaType::boolean, true}));
  // At the value that changes nothing they are taken.
  CHECK(config_from_gguf(gguf({{"qwen2.rope.scaling.attn_factor", {MetaType::f32, 1.0f}},
                               {"qwen2.attention.causal", {MetaType::boolean, true}},
                               {"qwen2.attention.scale", {MetaType::f32, 0.35355339f}},
                               {"qwen2.expert_count", {MetaType::u32, std::uint64_t{0}}},
                               {"qwen2.rope.scaling.finetuned", {MetaType::boolean, true}},
                               {"qwen2.vocab_size", {MetaType::u32, std::uint64_t{61}}}})));
}

TEST_CASE("frequencies follow from theta, and scaling bends them") {
  DecoderConfig c;
  c.head_dim = 64;
  c.rope.theta = 10000;
  const auto plain = rope_frequencies(c, {});
  REQUIRE(plain.size() == 32);
  CHECK(plain[0] == 1.0);
  CHECK(std::abs(plain[16] - 0.01) < 1e-15);
  c.rope = {.theta = 10000, .scaling = RopeScaling::linear, .factor = 4};
  CHECK(rope_frequencies(c, {})[16] == plain[16] / 4);
  c.rope = {.theta = 10000,
            .scaling = RopeScaling::llama3,
            .factor = 8,
            .low_frequency_factor = 1,
            .high_frequency_factor = 4,
            .original_context = 1000};
  const auto bent = rope_frequencies(c, {});
  CHECK(bent[0] == plain[0]);        // turns 159 times within the context: kept
  CHECK(bent[31] == plain[31] / 8);  // does not turn once: divided
  bool between = false;
  for (std::size_t i = 0; i < 32; ++i) between |= bent[i] < plain[i] && bent[i] > plain[i] / 8;
  CHECK(between);
  c.rope = {};
  std::vector<float> divisors(32, 1.0f);
  divisors[3] = 2.0f;
  CHECK(rope_frequencies(c, divisors)[3] == plain[3] / 2);
}

TEST_CASE("mutated configs are refused or stay within bounds") {
  const std::string text = kQwen3;
  std::uint64_t state = 3;
  int read = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = text;
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::size_t at = (state >> 33) % bytes.size();
    if (round % 2 == 0) bytes[at] = static_cast<char>('0' + (state >> 20) % 10);
    if (round % 2 == 1) bytes.erase(at, 1 + (state >> 50) % 6);
    const auto json = json::parse(bytes);
    if (!json) continue;
    const auto c = config_from_hf(*json);
    if (!c) continue;
    ++read;
    REQUIRE(c->hidden >= 1);
    REQUIRE(c->hidden <= (1u << 24));
    REQUIRE(c->rms_epsilon > 0);
    REQUIRE(std::isfinite(c->rope.theta));
  }
  CHECK(read > 100);
}

}  // namespace refute::forward
