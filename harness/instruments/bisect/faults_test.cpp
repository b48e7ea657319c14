// The injected-fault table: whatever is wrong, wherever it is, the bisection names that stage and
// that layer; and where nothing is wrong it names none.

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "fixtures/mutants/decoder_faults.hpp"
#include "harness/catch.hpp"
#include "harness/instruments/bisect/bisect.hpp"

namespace refute::bisect {
namespace {

using forward::PathName;

constexpr const char* kModels[] = {"llama4", "qwen2-4", "qwen3-4"};
const std::vector<std::uint32_t> kPrompt = {3, 60, 0, 17, 42, 9};

DecoderModel open_model(const std::string& name) {
  auto model = DecoderModel::open(std::string(BISECT_MODELS) + "/" + name);
  if (!model) FAIL(model.error().what);
  return *std::move(model);
}

PathRequest request_on(const DecoderModel& model, const ExecutionPath& bad) {
  PathRequest r;
  r.good.model = r.bad.model = &model;
  r.bad.path = bad;
  r.prompt = kPrompt;
  r.max_tokens = 2;
  r.replicas = 0;
  r.toggles = false;
  return r;
}

Report bisected(const PathRequest& r) {
  auto report = bisect_paths(r);
  if (!report) FAIL(report.error().what);
  return *std::move(report);
}

std::vector<ExecutionPath> runnable(const DecoderModel& model) {
  std::vector<ExecutionPath> paths;
  for (const PathName name : {PathName::reference, PathName::fast}) {
    for (const AttentionKernel a : {AttentionKernel::naive, AttentionKernel::flash2}) {
      const ExecutionPath path = {name, a, 1};
      if (!refuse_path(path, model)) paths.push_back(path);
    }
  }
  return paths;
}

void check_table(const DecoderModel& model, const ExecutionPath& path,
                 const std::vector<mutants::DecoderFault>& faults) {
  std::size_t named = 0;
  PathRequest request = request_on(model, path);
  for (const mutants::DecoderFault& fault : faults) {
    request.bad.run = mutants::with_fault(fault);
    const Report report = bisected(request);
    INFO(model.name() << " " << to_string(request.bad) << " " << fault.name() << ": "
                      << report.verdict.headline);
    CHECK(report.verdict.kind == VerdictKind::wrong_stage);
    CHECK(report.verdict.at == fault.expected);
    named += report.verdict.at == fault.expected ? 1 : 0;
  }
  CHECK(named == faults.size());
}

}  // namespace

TEST_CASE("every fault at every stage of every layer is named") {
  for (const char* name : kModels) {
    const DecoderModel model = open_model(name);
    for (const ExecutionPath& path : runnable(model)) {
      const auto faults = mutants::decoder_faults(model.config(), path);
      CHECK(faults.size() > 450);
      check_table(model, path, faults);
    }
  }
}

TEST_CASE("the fused kernel's faults are named as well") {
  const DecoderModel model = open_model("llama4-flash");
  for (const ExecutionPath& path : runnable(model)) {
    if (path.attention == AttentionKernel::naive) continue;
    auto faults = mutants::decoder_faults(model.config(), path);
    // The other stages run as they do with naive attention.
    std::erase_if(faults, [](const auto& f) { return f.at.stage != Stage::attention; });
    CHECK(faults.size() >= 4 * 8);
    check_table(model, path, faults);
  }
}

TEST_CASE("the table has every kind of fault in every layer and at every stage") {
  const DecoderModel model = open_model("qwen3-4");
  std::set<std::string_view> kinds;
  std::set<std::pair<std::uint32_t, Stage>> places;
  for (const char* name : kModels) {
    const DecoderModel m = open_model(name);
    for (const auto& f : mutants::decoder_faults(m.config(), {})) {
      kinds.insert(f.kind);
      places.insert({f.at.layer, f.at.stage});
    }
  }
  CHECK(kinds.size() == mutants::decoder_fault_kinds().size());
  CHECK(places.size() == 3 + 4 * (tensor::kStageCount - 3));
}

TEST_CASE("a healthy path has no stage above its floor, on many prompts") {
  for (const char* name : {"llama4", "qwen2-4", "qwen3-4", "llama4-flash"}) {
    const DecoderModel model = open_model(name);
    for (const ExecutionPath& path : runnable(model)) {
      PathRequest request = request_on(model, path);
      double nearest = 0;
      for (std::uint32_t seed = 0; seed < 40; ++seed) {
        request.prompt.clear();
        for (std::uint32_t i = 0; i < 2 + seed % 9; ++i) {
          request.prompt.push_back((seed * 31 + i * i * 7 + i) % 61);
        }
        const Report report = bisected(request);
        INFO(name << " " << to_string(request.bad) << " seed " << seed << ": "
                  << report.verdict.headline);
        REQUIRE(report.verdict.kind == VerdictKind::noise);
        for (const StageRow& row : report.rows) nearest = std::max(nearest, row.own()->ratio);
      }
      // A floor that nothing comes near would excuse anything.
      CHECK(nearest > 0.2);
    }
  }
}

}  // namespace refute::bisect
