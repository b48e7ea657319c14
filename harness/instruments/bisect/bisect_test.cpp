// What a bisection says beside the stage: who is wrong, what flips the decision, and when there is
// nothing to say.

#include "harness/instruments/bisect/bisect.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <string>

#include "fixtures/mutants/decoder_faults.hpp"
#include "harness/catch.hpp"
#include "harness/instruments/bisect/report.hpp"

namespace refute::bisect {
namespace {

using forward::PathName;

const std::vector<std::uint32_t> kPrompt = {3, 60, 0, 17, 42, 9};
constexpr StageAt kGate = {Stage::ffn_gate, 2};

DecoderModel open_model(const std::string& name) {
  auto model = DecoderModel::open(std::string(BISECT_MODELS) + "/" + name);
  if (!model) FAIL(model.error().what);
  return *std::move(model);
}

PathRequest request_on(const DecoderModel& model) {
  PathRequest r;
  r.good.model = r.bad.model = &model;
  r.bad.path.name = PathName::fast;
  r.prompt = kPrompt;
  return r;
}

Report bisected(const PathRequest& r) {
  auto report = bisect_paths(r);
  if (!report) FAIL(report.error().what);
  return *std::move(report);
}

StageRunner faulty(const DecoderModel& model, const End& end, std::string_view name) {
  const auto fault = mutants::find_decoder_fault(name, model.config(), end.path);
  if (!fault) FAIL(fault.error().what + " " + fault.error().hint);
  return mutants::with_fault(*fault);
}

/// Prompts, until one satisfies.
template <class Found>
bool search(PathRequest& request, Found found) {
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    request.prompt = {seed % 61, seed * 7 % 61, seed * 13 % 59, 5, seed * 3 % 60};
    if (found(bisected(request))) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("the good end that is wrong is the one that is named") {
  const DecoderModel model = open_model("llama4");
  PathRequest request = request_on(model);
  request.good.run = faulty(model, request.good, "scale@ffn_gate.2");
  const Verdict v = bisected(request).verdict;
  CHECK(v.kind == VerdictKind::wrong_good);
  CHECK(v.at == kGate);
  CHECK(exit_code(v.kind) == ExitCode::findings);
}

TEST_CASE("an end that gives other bits when run again is said to") {
  const DecoderModel model = open_model("llama4");
  for (const bool good : {false, true}) {
    PathRequest request = request_on(model);
    End& end = good ? request.good : request.bad;
    int calls = 0;
    end.run = [&](StageAt at, const DecoderModel& m, const ExecutionPath& path, Activations& acts) {
      auto error = forward::run_stage(at, m, path, acts);
      if (at == kGate) acts.slot(at.stage)[0] += static_cast<float>(++calls) * 1e-3f;
      return error;
    };
    const Verdict v = bisected(request).verdict;
    CHECK(v.kind == VerdictKind::not_repeatable);
    CHECK(v.at == kGate);
    CHECK(v.headline.find(good ? "the good end" : "the bad end") != std::string::npos);
  }
}

TEST_CASE("a unit that is wrong only in its own run is named, and said to be") {
  const DecoderModel model = open_model("llama4");
  PathRequest request = request_on(model);
  // Wrong on any input but the reference's own, as with state that a run leaves behind.
  std::set<std::uint64_t> healthy;
  Pass pass(request.good, kPrompt.size() + 4);
  Prints prints;
  std::vector<std::uint32_t> next = kPrompt;
  std::vector<std::vector<std::uint32_t>> kept;
  for (int step = 0; step < 4; ++step) {
    kept.push_back(next);
    pass.begin(kept.back());
    for (const StageAt at : forward_order(model.config(), AttentionKernel::naive)) {
      REQUIRE_FALSE(pass.run(at));
      if (at == StageAt{Stage::ffn_norm, 2}) healthy.insert(print_of(pass.output(at.stage)));
    }
    next = {decision_of(pass.output(Stage::lm_head)).token()};
  }
  request.bad.run = [&](StageAt at, const DecoderModel& m, const ExecutionPath& path,
                        Activations& acts) {
    auto error = forward::run_stage(at, m, path, acts);
    if (at == kGate && !healthy.contains(print_of(acts.slot(Stage::ffn_norm)))) {
      for (float& x : acts.slot(at.stage)) x *= 1.02f;
    }
    return error;
  };
  const Verdict v = bisected(request).verdict;
  CHECK(v.kind == VerdictKind::wrong_stage);
  CHECK(v.at == kGate);
  CHECK(v.only_in_place);
}

TEST_CASE("what was reported has to come out, or there is no verdict") {
  const DecoderModel model = open_model("llama4");
  PathRequest request = request_on(model);
  request.max_tokens = 1;
  const std::uint32_t says = bisected(request).symptom.bad.token();
  request.reported = says;
  CHECK(bisected(request).verdict.kind == VerdictKind::noise);
  request.reported = (says + 1) % 61;
  const Verdict v = bisected(request).verdict;
  CHECK(v.kind == VerdictKind::other_run);
  CHECK(exit_code(v.kind) == ExitCode::no_verdict);
}

TEST_CASE("what no noise explains is not called noise, though no stage is above its floor") {
  const OwnError healthy = {.ratio = 0.5, .count = 4};
  const auto row = [&](Stage stage, double total, double predicted) {
    StageRow r{.at = {stage, 0}};
    r.in_place = healthy;
    r.implementation = Distance{.relative = total, .bitwise = false};
    r.predicted_rounding = predicted;
    return r;
  };
  Symptom symptom;
  symptom.known = false;
  const auto kind = [&](const std::vector<StageRow>& rows) {
    return conclude({.symptom = symptom, .rows = rows, .good_unrepeated = {}, .bad_unrepeated = {}})
        .kind;
  };
  CHECK(kind({row(Stage::attn_norm, 1e-6, 1e-6), row(Stage::q_post_rope, 2e-5, 1e-6)}) ==
        VerdictKind::noise);
  CHECK(kind({row(Stage::attn_norm, 1e-6, 1e-6), row(Stage::q_post_rope, 1, 1e-6)}) ==
        VerdictKind::not_judged);
  CHECK(kind({row(Stage::attn_norm, std::nan(""), 1e-6)}) == VerdictKind::not_judged);
  // Without replicas nothing is known of total errors.
  CHECK(kind({row(Stage::q_post_rope, 1, 0)}) == VerdictKind::noise);
}

TEST_CASE("a decision that coarse activations flip is noise, and the toggle says what flips it") {
  const DecoderModel model = open_model("llama4");
  PathRequest request = request_on(model);
  request.bad.activations = metrics::Format::bf16;
  request.replicas = 8;
  REQUIRE(search(request, [](const Report& r) { return r.symptom.differs(); }));
  const Report r = bisected(request);
  INFO(report_text(r, true));
  CHECK(r.verdict.kind == VerdictKind::noise);
  const auto toggle = std::ranges::find(r.toggles, "activations", &Toggle::factor);
  REQUIRE(toggle != r.toggles.end());
  CHECK(toggle->flips);
  CHECK(toggle->decision.token() == r.symptom.good.token());
  const auto path = std::ranges::find(r.toggles, "path", &Toggle::factor);
  REQUIRE(path != r.toggles.end());
  // The steps end where the two ends part, and the common tokens are what both said before.
  CHECK(r.symptom.common.size() < request.max_tokens);
}

TEST_CASE("a fault that flips the decision is named, and mending that stage flips it back") {
  const DecoderModel model = open_model("qwen2-4");
  PathRequest request = request_on(model);
  request.bad.run = faulty(model, request.bad, "heads_swapped@attention.1");
  REQUIRE(search(request, [](const Report& r) { return r.symptom.differs(); }));
  const Report r = bisected(request);
  CHECK(r.verdict.at == StageAt{Stage::attention, 1});
  const auto toggle = std::ranges::find(r.toggles, "stage", &Toggle::factor);
  REQUIRE(toggle != r.toggles.end());
  CHECK(toggle->flips);
}

TEST_CASE("noise of the predicted size covers what a healthy path is off by") {
  for (const char* name : {"llama4", "qwen2-4", "qwen3-4"}) {
    const DecoderModel model = open_model(name);
    PathRequest request = request_on(model);
    request.bad.activations = metrics::Format::bf16;
    std::size_t covered = 0;
    const Report r = bisected(request);
    for (const StageRow& row : r.rows) {
      REQUIRE(row.total);
      // Neither blind nor generous: within a factor of four everywhere.
      INFO(name << " " << to_string(row.at) << " " << row.total->relative << " predicted "
                << row.predicted_total);
      CHECK(row.total->relative <= 4 * row.predicted_total);
      if (row.total->relative > 0) CHECK(row.total->relative >= row.predicted_total / 12);
      covered += row.total->relative <= 1.5 * row.predicted_total ? 1 : 0;
    }
    CHECK(covered > r.rows.size() * 8 / 10);
  }
}

TEST_CASE("a second bisection says the same, word for word") {
  const DecoderModel model = open_model("qwen3-4");
  const PathRequest request = request_on(model);
  CHECK(report_text(bisected(request), true) == report_text(bisected(request), true));
  CHECK(report_svg(bisected(request)) == report_svg(bisected(request)));
}

TEST_CASE("ends that cannot be compared are refused") {
  const DecoderModel llama = open_model("llama4"), qwen = open_model("qwen2-4");
  PathRequest request = request_on(llama);
  request.good.model = &qwen;
  CHECK_FALSE(bisect_paths(request));
  request = request_on(llama);
  request.prompt = {1, 61};
  REQUIRE_FALSE(bisect_paths(request));
  CHECK(bisect_paths(request).error().what.find("61") != std::string::npos);
  request.prompt.clear();
  CHECK_FALSE(bisect_paths(request));
  request = request_on(llama);
  request.bad.path.attention = AttentionKernel::flash2;
  CHECK_FALSE(bisect_paths(request));
}

}  // namespace refute::bisect
