#include "harness/instruments/bisect/captured_run.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/tensor/text.hpp"

namespace refute::bisect {

Result<CapturedRun> CapturedRun::open(const std::string& folder) {
  auto manifest = tensor::read_manifest(folder);
  if (!manifest) return manifest.take_error();
  CapturedRun run(folder, *std::move(manifest));
  for (const tensor::CapturedFile& file : run.manifest_.files) {
    auto opened = tensor::open_stage(folder, file);
    if (!opened) return opened.take_error();
    run.files_.emplace(std::pair(file.layer, file.stage), *std::move(opened));
  }
  run.stale_ = tensor::stale_files(folder, run.manifest_);
  return run;
}

std::span<const float> CapturedRun::values(StageAt at) const {
  return files_.at({at.layer, at.stage}).values();
}

std::optional<Decision> CapturedRun::decision() const {
  constexpr StageAt kLogits = {Stage::lm_head, tensor::kWholeModel};
  if (!has(kLogits)) return std::nullopt;
  return decision_of(values(kLogits));
}

AttentionKernel CapturedRun::attention(std::uint32_t layer) const {
  return has({Stage::attn_softmax, layer}) ? AttentionKernel::naive : AttentionKernel::flash2;
}

AttentionKernel CapturedRun::attention() const {
  const bool materialised = std::ranges::any_of(
      manifest_.files, [](const auto& file) { return file.stage == Stage::attn_softmax; });
  return materialised ? AttentionKernel::naive : AttentionKernel::flash2;
}

std::optional<Error> CapturedRun::refuse_shapes(const DecoderModel& model) const {
  const DecoderConfig& c = model.config();
  const std::string hint = fmt::format("it is no run of {} on these tokens", model.path());
  const std::string family(to_string(c.family));
  if (manifest_.architecture != family || manifest_.layers != c.layers) {
    return Error{fmt::format("{}: is of a {} with {} layers, {} is a {} with {}", folder_,
                             tensor::printable(manifest_.architecture), manifest_.layers,
                             model.path(), family, c.layers),
                 hint};
  }
  for (const tensor::CapturedFile& file : manifest_.files) {
    if (!has_stage(file.stage, c, AttentionKernel::naive)) {
      return Error{
          fmt::format("{}/{}: this {} has no such operation", folder_, file.path(), family), hint};
    }
    if (file.layer != tensor::kWholeModel && file.layer >= c.layers) {
      return Error{fmt::format("{}/{}: the model has {} layers", folder_, file.path(), c.layers),
                   hint};
    }
    const auto shape = stage_shape(file.stage, c, manifest_.tokens.size(), 0);
    if (file.shape == shape) continue;
    return Error{fmt::format("{}/{}: has shape [{}], the model makes it [{}]", folder_, file.path(),
                             fmt::join(file.shape, ", "), fmt::join(shape, ", ")),
                 hint};
  }
  return std::nullopt;
}

bool CapturedRun::damaged() const {
  return std::ranges::any_of(files_, [](const auto& file) { return file.second.damaged(); });
}

}  // namespace refute::bisect
