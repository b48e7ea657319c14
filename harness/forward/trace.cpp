#include "harness/forward/trace.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

namespace refute::forward {
namespace {

Error stage_does_not_run(Stage stage, const DecoderModel& model, const ExecutionPath& path) {
  std::vector<std::string_view> runs;
  for (const tensor::StageRow& row : tensor::kStages) {
    if (has_stage(row.stage, model.config(), path.attention)) runs.push_back(row.name);
  }
  const bool materialised = stage == Stage::attn_scores || stage == Stage::attn_softmax;
  const std::string why =
      materialised ? "flash2 does not materialise it; --attn naive does"
                   : fmt::format("this {} has no such operation", to_string(model.config().family));
  return {fmt::format("stage {} does not run: {}", to_string(stage), why),
          fmt::format("the stages that run are {}", fmt::join(runs, ", "))};
}

std::size_t count_non_finite(std::span<const float> values) {
  return static_cast<std::size_t>(
      std::ranges::count_if(values, [](float x) { return !std::isfinite(x); }));
}

tensor::CaptureManifest manifest_of(const DecoderModel& model, const TraceRequest& request,
                                    const Digest& digest, const std::string& producer) {
  return {.producer = producer,
          .model = model.name(),
          .model_sha256 = digest,
          .architecture = std::string(to_string(model.config().family)),
          .layers = model.config().layers,
          .tokens = request.tokens,
          .path = describe(request.path, model),
          .files = {}};
}

}  // namespace

Result<std::vector<StageAt>> plan_trace(const DecoderModel& model, const TraceRequest& request) {
  const DecoderConfig& c = model.config();
  if (const auto refusal = refuse_path(request.path, model)) return refusal->error;
  if (auto error = refuse_tokens(c, request.tokens, request.tokens.size())) return *error;
  if (request.layers && request.layers->end > c.layers) {
    return Error{fmt::format("layers {}..{} reach beyond the model", request.layers->begin,
                             request.layers->end),
                 fmt::format("it has {}: 0..{}", c.layers, c.layers)};
  }
  const bool all = request.stages.size() == tensor::kStageCount;
  for (const Stage stage : request.stages) {
    if (all || has_stage(stage, c, request.path.attention)) continue;
    return stage_does_not_run(stage, model, request.path);
  }
  std::vector<StageAt> plan = forward_order(c, request.path.attention);
  std::erase_if(plan, [&](StageAt at) {
    const bool chosen = std::ranges::find(request.stages, at.stage) != request.stages.end();
    const bool in_range =
        at.layer == tensor::kWholeModel || !request.layers || request.layers->contains(at.layer);
    return !chosen || !in_range;
  });
  if (plan.empty()) {
    return Error{"no stage of these layers was chosen", "embedding counts as layer 0's"};
  }
  return plan;
}

Result<TraceReport> run_trace(const DecoderModel& model, const TraceRequest& request,
                              const std::vector<StageAt>& plan, const std::string& folder,
                              const Digest& model_digest, const std::string& producer) {
  auto writer =
      tensor::CaptureWriter::begin(folder, manifest_of(model, request, model_digest, producer));
  if (!writer) return writer.take_error();
  TraceReport report;
  auto next = plan.begin();
  const Tap keep = [&](StageAt at, const auto& shape,
                       std::span<float> values) -> std::optional<Error> {
    if (next == plan.end() || *next != at) return std::nullopt;
    ++next;
    if (const std::size_t n = count_non_finite(values); n != 0)
      report.non_finite.push_back({at, n});
    return writer->add(at.stage, at.layer, shape, values);
  };
  Forward forward(model, request.path, request.tokens.size());
  if (auto error = forward.step(request.tokens, keep)) return *error;
  if (auto error = writer->finish()) return *error;
  report.manifest = writer->manifest();
  report.folder = folder;
  report.stale = tensor::stale_files(folder, report.manifest);
  report.top = top_candidates(forward.logits(), 5);
  return report;
}

std::string default_trace_folder(const DecoderModel& model) {
  const std::filesystem::path name = model.name();
  const bool file = name.extension() == ".gguf" || name.extension() == ".safetensors";
  return (file ? name.stem() : name).string() + "-trace";
}

}  // namespace refute::forward
