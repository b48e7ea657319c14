// What a forward pass has to keep, on small models with random weights. That its numbers are right
// is held against another program in forward_oracle_test.py.

#include "harness/forward/forward.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "harness/catch.hpp"
#include "harness/tensor/temp_folder_test.hpp"

namespace refute::forward {
namespace {

namespace fs = std::filesystem;
using Floats = std::vector<float>;
using Kept = std::map<std::pair<Stage, std::uint32_t>, Floats>;

const std::vector<std::uint32_t> kTokens = {3, 60, 0, 17, 17, 42, 9};

DecoderModel open_model(const std::string& name, const DecoderOptions& options = {}) {
  auto model = DecoderModel::open(std::string(TINY_MODELS) + "/" + name, options);
  if (!model) FAIL(model.error().what);
  return *std::move(model);
}

/// Every stage's output over `tokens`.
Kept trace(const DecoderModel& model, const ExecutionPath& path,
           std::span<const std::uint32_t> tokens = kTokens) {
  REQUIRE_FALSE(refuse_path(path, model));
  Kept kept;
  Forward forward(model, path, tokens.size());
  const auto failed = forward.step(tokens, [&](StageAt at, const auto& shape, auto values) {
    std::size_t size = 1;
    for (const std::size_t extent : shape) size *= extent;
    CHECK(size == values.size());
    kept[{at.stage, at.layer}] = Floats(values.begin(), values.end());
    return std::optional<Error>();
  });
  REQUIRE_FALSE(failed);
  return kept;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::ranges::equal(a, b, [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

/// Largest difference over the largest size.
double relative(std::span<const float> got, std::span<const float> want) {
  REQUIRE(got.size() == want.size());
  double worst = 0, size = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - want[i]);
    if (!(error <= worst)) worst = std::isnan(error) ? 1e300 : error;
    size = std::max(size, std::abs(static_cast<double>(want[i])));
  }
  REQUIRE(size > 0);
  return worst / size;
}

std::vector<ExecutionPath> runnable(const DecoderModel& model) {
  std::vector<ExecutionPath> paths;
  for (const PathName name : {PathName::reference, PathName::reference_dequant, PathName::fast}) {
    for (const AttentionKernel a : {AttentionKernel::naive, AttentionKernel::flash2}) {
      const ExecutionPath path = {name, a, 2};
      if (!refuse_path(path, model)) paths.push_back(path);
    }
  }
  return paths;
}

constexpr const char* kModels[] = {"llama",      "llama-tied", "llama-flash",
                                   "llama-long", "qwen2",      "qwen3"};

}  // namespace

TEST_CASE("every stage that a model has is run, and no other") {
  const DecoderModel qwen3 = open_model("qwen3"), qwen2 = open_model("qwen2");
  const Kept a = trace(qwen3, {}), b = trace(qwen2, {});
  CHECK(a.size() == 3 + 3 * (tensor::kStageCount - 3 - 1));
  CHECK(a.contains({Stage::q_norm, 2}));
  CHECK_FALSE(a.contains({Stage::qkv_bias, 0}));
  CHECK(b.size() == 3 + 2 * (tensor::kStageCount - 3 - 2));
  CHECK(b.contains({Stage::qkv_bias, 1}));
  CHECK_FALSE(b.contains({Stage::q_norm, 0}));
  const Kept c = trace(open_model("llama-flash"), {.attention = AttentionKernel::flash2});
  CHECK_FALSE(c.contains({Stage::attn_scores, 0}));
  CHECK(c.contains({Stage::attention, 0}));
}

TEST_CASE("a stage run alone on its inputs gives the bits that it gave in the pass") {
  for (const char* name : kModels) {
    const DecoderModel model = open_model(name);
    for (const ExecutionPath& path : runnable(model)) {
      const Kept kept = trace(model, path);
      for (const auto& [at, values] : kept) {
        Activations acts(model.config(), kTokens.size());
        acts.begin(model, kTokens, 0);
        for (const StageAt in :
             stage_inputs({at.first, at.second}, model.config(), path.attention)) {
          acts.slot(in.stage) = kept.at({in.stage, in.layer});
        }
        REQUIRE_FALSE(run_stage({at.first, at.second}, model, path, acts));
        INFO(name << " " << to_string(path.name) << " " << to_string(at.first) << " layer "
                  << at.second);
        REQUIRE(same_bits(acts.slot(at.first), values));
      }
    }
  }
}

TEST_CASE("GGUF and safetensors of the same weights give the same bits at every stage") {
  for (const auto& [hf, gguf] : {std::pair{"llama", "llama.gguf"}, std::pair{"qwen2", "qwen2.gguf"},
                                 std::pair{"qwen3", "qwen3.gguf"}}) {
    const DecoderModel a = open_model(hf), b = open_model(gguf);
    const Kept from_hf = trace(a, {}), from_gguf = trace(b, {});
    REQUIRE(from_hf.size() == from_gguf.size());
    for (const auto& [at, values] : from_hf) {
      INFO(hf << " " << to_string(at.first) << " " << at.second);
      REQUIRE(same_bits(from_gguf.at(at), values));
    }
  }
}

TEST_CASE("token by token is the same as all at once") {
  for (const char* name : kModels) {
    const DecoderModel model = open_model(name);
    for (const ExecutionPath& path : runnable(model)) {
      Forward whole(model, path, kTokens.size()), steps(model, path, kTokens.size());
      REQUIRE_FALSE(whole.step(kTokens));
      REQUIRE_FALSE(steps.step(std::span(kTokens).first(3)));
      for (std::size_t i = 3; i < kTokens.size(); ++i) {
        REQUIRE_FALSE(steps.step(std::span(kTokens).subspan(i, 1)));
      }
      INFO(name << " " << to_string(path.name) << " " << to_string(path.attention));
      if (path.is_fast()) {
        CHECK(relative(steps.logits(), whole.logits()) < 1e-5);
      } else {
        CHECK(same_bits(steps.logits(), whole.logits()));
      }
    }
  }
}

TEST_CASE("all paths agree within f32 rounding, and fast does not merely repeat the reference") {
  for (const char* name : kModels) {
    const DecoderModel model = open_model(name);
    const Kept oracle = trace(model, {});
    for (const ExecutionPath& path : runnable(model)) {
      const Kept kept = trace(model, path);
      std::size_t differing = 0;
      for (const auto& [at, values] : kept) {
        INFO(name << " " << to_string(path.name) << " " << to_string(at.first) << " " << at.second);
        REQUIRE(relative(values, oracle.at(at)) < 2e-5);
        differing += same_bits(values, oracle.at(at)) ? 0 : 1;
      }
      if (path.is_fast()) CHECK(differing > kept.size() / 2);
      if (path.name == PathName::reference_dequant && path.attention == AttentionKernel::naive) {
        CHECK(differing == 0);
      }
    }
  }
}

TEST_CASE("weights that are dequantised anew for every layer give the same bits") {
  const DecoderModel kept = open_model("qwen3");
  const DecoderModel anew = open_model("qwen3", {.resident_bytes = 0, .threads = 2});
  CHECK(same_bits(trace(kept, {}).at({Stage::lm_head, tensor::kWholeModel}),
                  trace(anew, {}).at({Stage::lm_head, tensor::kWholeModel})));
}

TEST_CASE("a query depends on no later token") {
  for (const char* name : kModels) {
    const DecoderModel model = open_model(name);
    auto changed = kTokens;
    changed.back() = 1;
    for (const ExecutionPath& path : runnable(model)) {
      const Floats a = trace(model, path).at({Stage::final_norm, tensor::kWholeModel});
      const Floats b = trace(model, path, changed).at({Stage::final_norm, tensor::kWholeModel});
      const std::size_t prefix = (kTokens.size() - 1) * model.config().hidden;
      INFO(name << " " << to_string(path.name));
      CHECK(same_bits(std::span(a).first(prefix), std::span(b).first(prefix)));
      CHECK_FALSE(same_bits(a, b));
    }
  }
}

TEST_CASE("what a tap changes is what the rest of the pass reads") {
  const DecoderModel model = open_model("llama");
  const Kept healthy = trace(model, {});
  Kept faulty;
  Forward forward(model, {}, kTokens.size());
  REQUIRE_FALSE(forward.step(kTokens, [&](StageAt at, const auto&, std::span<float> values) {
    if (at == StageAt{Stage::ffn_gate, 1}) {
      for (float& x : values) x *= 1.02f;
    }
    faulty[{at.stage, at.layer}] = Floats(values.begin(), values.end());
    return std::optional<Error>();
  }));
  CHECK(same_bits(faulty.at({Stage::ffn_norm, 1}), healthy.at({Stage::ffn_norm, 1})));
  CHECK_FALSE(same_bits(faulty.at({Stage::ffn_out, 1}), healthy.at({Stage::ffn_out, 1})));
}

TEST_CASE("a tap's error ends the pass") {
  const DecoderModel model = open_model("llama");
  Forward forward(model, {}, kTokens.size());
  int calls = 0;
  const auto error = forward.step(kTokens, [&](StageAt, const auto&, auto) {
    return ++calls == 3 ? std::optional<Error>({"full", ""}) : std::nullopt;
  });
  REQUIRE(error);
  CHECK(error->what == "full");
  CHECK(calls == 3);
}

TEST_CASE("tokens out of range, too many and none are refused") {
  const DecoderConfig c = open_model("llama").config();
  CHECK_FALSE(refuse_tokens(c, kTokens, 512));
  CHECK(
      refuse_tokens(c, std::vector<std::uint32_t>{1, 61}, 2)->what.find("token 61 at position 1") !=
      std::string::npos);
  CHECK(refuse_tokens(c, {}, 0));
  CHECK(refuse_tokens(c, kTokens, 513));
  DecoderConfig window = c;
  window.sliding_window = 16;
  CHECK_FALSE(refuse_tokens(window, kTokens, 16));
  CHECK(refuse_tokens(window, kTokens, 17));
}

TEST_CASE("a path that cannot run as asked is refused by name") {
  const auto refusal = refuse_path({.attention = AttentionKernel::flash2}, open_model("llama"));
  REQUIRE(refusal);
  CHECK(refusal->code == "unsupported-head-dim");
  CHECK(refusal->error.what.find("head_dim 8") != std::string::npos);
}

TEST_CASE("paths have fingerprints of their own") {
  const DecoderModel model = open_model("llama-flash");
  std::vector<std::string> seen;
  for (const ExecutionPath& path : runnable(model)) {
    const std::string print = tensor::path_fingerprint(describe(path, model)).text;
    CHECK(std::ranges::find(seen, print) == seen.end());
    CHECK(tensor::path_fingerprint(describe(path, model)).text == print);
    seen.push_back(print);
  }
  CHECK(seen.size() >= 4);
}

}  // namespace refute::forward
