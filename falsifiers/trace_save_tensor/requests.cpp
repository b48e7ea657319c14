// What a trace refuses, and how the contract itself stands.

#include <filesystem>
#include <functional>

#include <fmt/format.h>

#include "falsifiers/trace_save_tensor/checks.hpp"
#include "falsifiers/trace_save_tensor/session.hpp"
#include "falsifiers/trace_save_tensor/stage_files.hpp"
#include "harness/digest/sha256.hpp"

namespace refute::falsifiers {
namespace {

using fixtures::TinyDecoder;
using fixtures::TinyWeights;
using worker::Context;

/// Refused with 2, with these words, and nothing written.
bool is_refused(Session& s, const std::string& model, const std::string& tokens, const Words& more,
                const Words& words) {
  Words arguments = {"trace", model, "--tokens", tokens, "-o", s / "refused"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const CommandRun run = s.run(std::move(arguments));
  return s.exits(run, 2) && s.says(run, words) &&
         s.holds(stages_below(s / "refused").empty(), "a refused trace writes no stage");
}

bool refuses_requests(Session& s, const std::string& model) {
  const std::string tokens = joined(s.tokens());
  Words names;
  for (const std::string& stage : layer_stages(tiny("qwen2", 1))) names.push_back(stage);
  names.insert(names.end(),
               {"embedding", "q_norm", "k_norm", "final_norm", "lm_head", "'ffn_gat'"});
  const auto layers = [&](const char* range, const Words& words) {
    return is_refused(s, model, tokens, {"--save-tensor", "ffn_up", "--layers", range}, words);
  };
  return is_refused(s, model, tokens, {"--save-tensor", "ffn_gat"}, names) &&
         is_refused(s, model, tokens, {"--save-tensor", "ffn_up,,lm_head"}, {"embedding"}) &&
         is_refused(s, model, tokens, {"--save-tensor", "qkv_bias"}, {"qkv_bias"}) &&
         layers("2..2", {"2..2"}) && layers("3..1", {"3..1"}) && layers("0..5", {"4"}) &&
         layers("1", {"'1'"}) && layers("-1..2", {"-1..2"}) && layers("0x1..2", {"0x1..2"}) &&
         is_refused(s, model, "1,61", {"--save-tensor", "ffn_up"}, {"61"}) &&
         is_refused(s, model, "1,-1", {"--save-tensor", "ffn_up"}, {"-1"}) &&
         is_refused(s, model, "1,4294967297", {"--save-tensor", "ffn_up"}, {"4294967297"});
}

/// A model with one thing wrong in its config or its weights.
bool refuses_model(Session& s, const std::function<void(std::string&, TinyWeights&)>& change,
                   const Words& words) {
  const TinyDecoder shape = tiny("llama", s.seed());
  std::string config = fixtures::tiny_config(shape);
  TinyWeights weights = fixtures::tiny_weights(shape);
  change(config, weights);
  fixtures::write_tiny(s / "odd", config, weights);
  return is_refused(s, s / "odd", joined(s.tokens()), {"--save-tensor", "all"}, words);
}

bool refuses_models(Session& s) {
  const std::string up = "model.layers.2.mlp.up_proj.weight";
  return refuses_model(s,
                       [](std::string& config, TinyWeights&) {
                         config.replace(config.find("llama"), 5, "mamba");
                       },
                       {"mamba"}) &&
         refuses_model(s, [&](std::string&, TinyWeights& w) { w.erase(up); }, {up}) &&
         refuses_model(
             s, [&](std::string&, TinyWeights& w) { std::swap(w[up].shape[0], w[up].shape[1]); },
             {up, "48", "32"}) &&
         refuses_model(s, [&](std::string&, TinyWeights& w) { w[up + "_extra"] = w[up]; },
                       {up + "_extra"});
}

}  // namespace

Verdict trace_refusals(Context& context) {
  return check_live(context, [](Session& s) {
    const std::string model = written(s, "m", tiny("llama", s.seed()));
    if (!s.exits(s.trace(model, s / "fine", {"--save-tensor", "ffn_up", "--layers", "1..3"}), 0) ||
        !refuses_requests(s, model) || !refuses_models(s))
      return false;
    const std::string weights = read_file(s / "m/model.safetensors");
    write_file(s / "cut/config.json", read_file(s / "m/config.json"));
    write_file(s / "cut/model.safetensors", weights.substr(0, weights.size() - 100));
    return is_refused(s, s / "cut", "1", {"--save-tensor", "all"}, {"model.safetensors"}) &&
           is_refused(s, s / "absent", "1", {"--save-tensor", "all"}, {"absent"});
  });
}

Verdict trace_contract_lints(Context& context) {
  const std::string* contract = context.fixture("trace-save-tensor-contract");
  if (contract == nullptr)
    return worker::declined(DeclineReason::no_fixture, "the contract is not the one of the index");
  const std::string path = std::filesystem::absolute(*contract);
  const std::string text = read_file(path);
  context.input("trace-save-tensor-contract", sha256_of(text));
  return check_live(context, [&](Session& s) {
    const CommandRun clean = s.run({"validate", path});
    if (!s.exits(clean, 0)) return false;
    // A lint that is silent about everything would be clean as well.
    std::string twice = text, again = text;
    const std::string id = "FALSIFY-APR-TRACE-SAVE-002";
    twice.replace(twice.find(id), id.size(), "FALSIFY-APR-TRACE-SAVE-001");
    again.insert(again.find("    rule:"), "    rule: said twice\n");
    write_file(s / "twice.yaml", twice);
    write_file(s / "again.yaml", again);
    write_file(s / "cut.yaml", text.substr(0, text.size() / 2) + "\"");
    for (const char* name : {"twice.yaml", "again.yaml", "cut.yaml"}) {
      const CommandRun damaged = s.run({"validate", s / name});
      if (!s.holds(damaged.status != 0, fmt::format("{} does not lint clean", name))) return false;
    }
    return true;
  });
}

}  // namespace refute::falsifiers
