// What two stored forms of one model make of a stage, with and without a fault in one of them.

#include <cmath>

#include <fmt/format.h>

#include "falsifiers/trace_save_tensor/checks.hpp"
#include "falsifiers/trace_save_tensor/session.hpp"
#include "falsifiers/trace_save_tensor/stage_files.hpp"
#include "harness/json/json.hpp"
#include "harness/worker/refute_command.hpp"

namespace refute::falsifiers {
namespace {

using worker::Context;

/// What `refute diff` says of one stage of two captures; NaN where it says nothing.
double relative_error(Session& s, const std::string& a, const std::string& b,
                      const std::string& file) {
  const CommandRun run = s.run({"diff", a + "/" + file, b + "/" + file, "--values", "--json"});
  const auto record = json::parse(run.out);
  const Value* number = record ? record->find("relative_error") : nullptr;
  return number && number->as_double() ? *number->as_double() : std::nan("");
}

}  // namespace

/// As published: it speaks of a 7B model in two formats, of which one run was wrong at that time.
Verdict trace_published_difference(Context& context) {
  const std::uint64_t layer = context.count("layer");
  const double least = context.real("least_difference");
  const auto tokens = context.counts("tokens");
  const std::string* original = context.fixture("ship-007-original");
  const std::string* quantised = context.fixture("ship-007-q4k");
  if (original == nullptr || quantised == nullptr) {
    return worker::declined(DeclineReason::no_fixture,
                            "the two stored forms of the 7B model are not here");
  }
  return check_live(context, [&](Session& s) {
    s.use_tokens({tokens.begin(), tokens.end()});
    const Words what = {"--save-tensor", "ffn_gate", "--layers",
                        fmt::format("{}..{}", layer, layer + 1)};
    if (!s.exits(s.trace(*original, s / "a", what), 0) ||
        !s.exits(s.trace(*quantised, s / "b", what), 0))
      return false;
    const std::string file = stage_path("ffn_gate", static_cast<std::uint32_t>(layer));
    return s.context().compare().at_least(relative_error(s, s / "a", s / "b", file), least,
                                          "relative difference of " + file);
  });
}

/// The same question of a model that is here, with a fault that was put there.
Verdict trace_injected_difference(Context& context) {
  const auto layer = static_cast<std::uint32_t>(context.count("layer"));
  const double least = context.real("least_difference"), healthy = context.real("healthy_most");
  return check_live(context, [&](Session& s) {
    auto shape = tiny("llama", s.seed());
    shape.hidden = 64;
    shape.ffn = 96;
    const auto weights = fixtures::tiny_weights(shape);
    fixtures::write_tiny(s / "m", fixtures::tiny_config(shape), weights);
    auto wrong = weights;  // a loader that skipped every eighth row of one matrix
    auto& gate = wrong.at(fmt::format("model.layers.{}.mlp.gate_proj.weight", layer)).values;
    for (std::size_t i = 0; i < gate.size(); ++i) {
      if (i / shape.hidden % 8 == 0) gate[i] = 0;
    }
    fixtures::write_tiny(s / "wrong", fixtures::tiny_config(shape), wrong);
    write_file(s / "q/config.json", fixtures::tiny_config(shape));
    s.prepare({"quantize", s / "m", "--format", "q8_0", "-o", s / "q/model.gguf"});
    const std::pair<std::string, std::string> all[] = {
        {"m", "m"}, {"wrong", "wrong"}, {"q", "q/model.gguf"}};
    for (const auto& [name, path] : all) {
      if (!s.exits(s.trace(s / path, s / (name + "-out"), {"--save-tensor", "all"}), 0))
        return false;
    }
    const std::string file = stage_path("ffn_gate", layer);
    const auto off = [&](const char* which, const std::string& stage) {
      return relative_error(s, s / "m-out", s / which, stage);
    };
    auto& compare = s.context().compare();
    // What comes before the fault has the same bits, and the other format alone is no such thing.
    return compare.at_least(off("wrong-out", file), least, "difference of the faulty " + file) &&
           compare.at_most(off("wrong-out", stage_path("ffn_norm", layer)), 0,
                           "difference of what it reads") &&
           compare.at_most(off("q-out", file), healthy, "difference of a healthy Q8_0's " + file);
  });
}

}  // namespace refute::falsifiers
