#include "harness/instruments/quant_diff_as.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "harness/instruments/quant_diff_judge.hpp"
#include "harness/instruments/quant_diff_pair.hpp"
#include "kernels/nf4.hpp"

namespace refute::instruments {
namespace {

using kernels::Fp8Format;
using kernels::Fp8Granularity;
using tensor::DType;
using tensor::ModelTensor;

constexpr std::size_t kFp8Block = 128;

bool is_plain_float(const ModelTensor& t) {
  return std::holds_alternative<DType>(t.type) && tensor::is_floating(t.type);
}

bool rows_of_whole_blocks(const ModelTensor& t, std::size_t block) {
  return t.cols() != 0 && t.cols() % block == 0;
}

std::optional<tensor::TensorType> fp8_type(const ModelTensor& t, const AsFp8& as) {
  switch (as.granularity) {
    case Fp8Granularity::tensor:
      return tensor::ScaledFp8{as.format, std::max<std::size_t>(1, t.rows()), t.cols()};
    case Fp8Granularity::channel:
      return tensor::ScaledFp8{as.format, 1, t.cols()};
    case Fp8Granularity::block:
      if (!rows_of_whole_blocks(t, kFp8Block)) return std::nullopt;
      return tensor::ScaledFp8{as.format, 1, kFp8Block};
  }
  return std::nullopt;
}

}  // namespace

std::optional<AsFormat> as_format_named(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "fp8-e4m3") return AsFp8{.format = Fp8Format::e4m3};
  if (lower == "fp8-e5m2") return AsFp8{.format = Fp8Format::e5m2};
  if (lower == "nf4") return AsNf4{};
  if (const auto format = kernels::ggml_format_named(lower)) return *format;
  return std::nullopt;
}

std::vector<std::string> as_format_names() {
  std::vector<std::string> names = {"fp8-e4m3", "fp8-e5m2", "nf4"};
  for (const auto& info : kernels::kGgmlFormats) names.emplace_back(info.name);
  return names;
}

std::optional<tensor::TensorType> quantised_type(const ModelTensor& t, const AsFormat& as) {
  if (!is_plain_float(t) || t.shape.size() < 2 || t.count == 0) return std::nullopt;
  if (const auto* fp8 = std::get_if<AsFp8>(&as)) return fp8_type(t, *fp8);
  if (std::holds_alternative<AsNf4>(as)) {
    if (!rows_of_whole_blocks(t, kernels::kNf4Block)) return std::nullopt;
    return tensor::GroupedNf4{kernels::kNf4Block};
  }
  const auto format = std::get<kernels::GgmlFormat>(as);
  if (!rows_of_whole_blocks(t, kernels::ggml_info(format).block_size)) return std::nullopt;
  return format;
}

Result<DiffReport> diff_in_memory(const tensor::ModelFile& model, const AsFormat& as,
                                  const DiffOptions& options) {
  std::vector<TensorPair> pairs;
  std::size_t left_alone = 0;
  for (const ModelTensor& t : model.tensors()) {
    if (!glob_matches(options.match, t.name)) continue;
    const auto type = quantised_type(t, as);
    if (!type) {
      ++left_alone;
      continue;
    }
    pairs.push_back({.reference = &t,
                     .other = nullptr,
                     .adjust_reference = {},
                     .adjust_other = {},
                     .as = *type});
  }
  DiffReport report;
  take_pairs(report, pairs, options);
  if (auto error = model.damaged()) return *std::move(error);
  report.notes = model.notes();
  if (left_alone != 0) {
    report.notes.push_back(fmt::format(
        "{} tensors were left alone: vectors, whole numbers, what is quantised already, or rows "
        "that are no whole blocks",
        left_alone));
  }
  sort_rows(report.rows);
  return report;
}

}  // namespace refute::instruments
