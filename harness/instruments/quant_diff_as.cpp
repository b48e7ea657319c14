#include "harness/instruments/quant_diff_as.hpp"

#include <map>

#include <fmt/format.h>

#include "harness/instruments/glob.hpp"
#include "harness/instruments/quant_diff_judge.hpp"
#include "kernels/nf4.hpp"

namespace refute::instruments {
namespace {

using kernels::Fp8Format;
using kernels::Fp8Granularity;
using tensor::ModelTensor;

tensor::TensorType fp8_type(const ModelTensor& t, Fp8Format format, const QuantizeOptions& as) {
  switch (as.granularity) {
    case Fp8Granularity::tensor:
      return tensor::ScaledFp8{format, t.rows(), t.cols()};
    case Fp8Granularity::channel:
      return tensor::ScaledFp8{format, 1, t.cols()};
    case Fp8Granularity::block:
      return tensor::ScaledFp8{format, 1, as.block};
  }
  return tensor::ScaledFp8{format, t.rows(), t.cols()};
}

}  // namespace

std::optional<tensor::TensorType> quantised_type(const ModelTensor& t, const QuantizeOptions& as) {
  if (why_kept(t, as)) return std::nullopt;
  if (const auto* fp8 = std::get_if<Fp8Format>(&as.target)) return fp8_type(t, *fp8, as);
  const QuantizeTarget target = target_for(t, as);
  if (const auto* ggml = std::get_if<kernels::GgmlFormat>(&target)) return *ggml;
  return tensor::GroupedNf4{kernels::kNf4Block};
}

Result<DiffReport> diff_in_memory(const tensor::ModelFile& model, const QuantizeOptions& as,
                                  const DiffOptions& options) {
  std::vector<TensorPair> pairs;
  std::map<std::string_view, std::size_t> left_alone;
  for (const ModelTensor& t : model.tensors()) {
    if (!glob_matches(options.match, t.name)) continue;
    if (const auto type = quantised_type(t, as)) {
      pairs.push_back({.reference = &t, .other = nullptr, .as = *type});
    } else {
      ++left_alone[describe(*why_kept(t, as))];
    }
  }
  DiffReport report;
  take_pairs(report, pairs, options, [&] { return model.damaged().has_value(); });
  if (auto error = model.damaged()) return *std::move(error);
  report.notes = model.notes();
  for (const auto& [why, count] : left_alone) {
    report.notes.push_back(
        fmt::format("left alone: {} tensor{}: {}", count, count == 1 ? "" : "s", why));
  }
  sort_rows(report.rows);
  return report;
}

}  // namespace refute::instruments
