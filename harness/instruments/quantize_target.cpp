#include "harness/instruments/quantize_target.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "harness/instruments/glob.hpp"

namespace refute::instruments {
namespace {

using kernels::Fp8Format;
using kernels::Fp8Granularity;
using kernels::GgmlFormat;
using tensor::ModelTensor;

constexpr std::string_view kE4m3 = "fp8-e4m3", kE5m2 = "fp8-e5m2", kNf4 = "nf4";

// Names of Hugging Face models and of GGUF files.
constexpr std::array kEmbeddings = {"*embed*",     "*embd*",    "*wte.weight",
                                    "*wpe.weight", "*lm_head*", "output.weight"};
constexpr std::array kPositions = {"*position_embd*", "*position_embeddings*", "*token_types*",
                                   "*token_type_embeddings*", "*wpe.weight"};
constexpr std::array kRouters = {"*ffn_gate_inp*", "*.mlp.gate.weight",
                                 "*block_sparse_moe.gate.weight", "*router*"};

bool matches_one(const std::string& name, std::span<const char* const> globs) {
  return std::ranges::any_of(globs, [&](const char* glob) { return glob_matches(glob, name); });
}

bool is_plain_float(const tensor::TensorType& type) {
  const auto* plain = std::get_if<tensor::DType>(&type);
  return plain != nullptr && *plain != tensor::DType::f8_e4m3 && *plain != tensor::DType::f8_e5m2 &&
         is_floating(type);
}

std::optional<KeptBecause> kept_by_type(const ModelTensor& tensor) {
  if (!has_values(tensor.type)) return KeptBecause::unknown_type;
  if (is_plain_float(tensor.type)) return std::nullopt;
  return is_floating(tensor.type) ? KeptBecause::already_quantized : KeptBecause::not_floating;
}

std::optional<KeptBecause> kept_by_name(const ModelTensor& tensor, const QuantizeOptions& options) {
  for (const std::string& glob : options.keep) {
    if (glob_matches(glob, tensor.name)) return KeptBecause::asked_for;
  }
  const bool ggml = std::holds_alternative<kernels::GgmlFormat>(options.target);
  if (ggml && matches_one(tensor.name, kPositions)) return KeptBecause::position;
  if (!ggml && matches_one(tensor.name, kEmbeddings)) return KeptBecause::embedding;
  if (matches_one(tensor.name, kRouters)) return KeptBecause::router;
  return std::nullopt;
}

}  // namespace

std::optional<QuantizeTarget> quantize_target(std::string_view name) {
  if (name == kE4m3) return Fp8Format::e4m3;
  if (name == kE5m2) return Fp8Format::e5m2;
  if (name == kNf4) return Nf4Target{};
  if (const auto format = kernels::ggml_format_named(name)) return *format;
  return std::nullopt;
}

std::string to_string(const QuantizeTarget& target) {
  if (const auto* fp8 = std::get_if<Fp8Format>(&target))
    return std::string(*fp8 == Fp8Format::e4m3 ? kE4m3 : kE5m2);
  if (const auto* ggml = std::get_if<kernels::GgmlFormat>(&target))
    return std::string(kernels::ggml_info(*ggml).name);
  return std::string(kNf4);
}

const std::vector<std::string>& quantize_target_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = {std::string(kE4m3), std::string(kE5m2), std::string(kNf4)};
    for (const auto& info : kernels::kGgmlFormats) all.emplace_back(info.name);
    return all;
  }();
  return names;
}

std::size_t row_multiple(const QuantizeOptions& options) {
  if (const auto* ggml = std::get_if<kernels::GgmlFormat>(&options.target))
    return kernels::ggml_info(*ggml).block_size;
  if (std::holds_alternative<Nf4Target>(options.target)) return 64;
  return options.granularity == Fp8Granularity::block ? options.block : 1;
}

std::string_view describe(KeptBecause why) {
  switch (why) {
    case KeptBecause::few_dimensions:
      return "fewer than two dimensions";
    case KeptBecause::empty:
      return "no values";
    case KeptBecause::not_floating:
      return "no floating-point numbers";
    case KeptBecause::already_quantized:
      return "quantised already";
    case KeptBecause::unknown_type:
      return "of a type that cannot be read here";
    case KeptBecause::asked_for:
      return "named with --keep";
    case KeptBecause::embedding:
      return "embeddings and output heads, which quantisers to this format leave alone";
    case KeptBecause::position:
      return "positions and token types";
    case KeptBecause::router:
      return "routers, where a small error picks another expert";
    case KeptBecause::uneven_rows:
      return "rows that are no whole number of blocks";
  }
  return "";
}

std::optional<GgmlFormat> fallback_format(GgmlFormat format, std::size_t cols) {
  const auto instead = [&]() -> std::optional<GgmlFormat> {
    switch (format) {
      case GgmlFormat::q2_k:
      case GgmlFormat::q3_k:
        return GgmlFormat::iq4_nl;
      case GgmlFormat::q4_k:
        return GgmlFormat::q5_0;
      case GgmlFormat::q5_k:
        return GgmlFormat::q5_1;
      case GgmlFormat::q6_k:
        return GgmlFormat::q8_0;
      case GgmlFormat::f16:
      case GgmlFormat::bf16:
      case GgmlFormat::q4_0:
      case GgmlFormat::q4_1:
      case GgmlFormat::q5_0:
      case GgmlFormat::q5_1:
      case GgmlFormat::q8_0:
      case GgmlFormat::iq4_nl:
      case GgmlFormat::mxfp4:
        return std::nullopt;
    }
    return std::nullopt;
  }();
  if (!instead || cols % kernels::ggml_info(format).block_size == 0) return std::nullopt;
  return cols % kernels::ggml_info(*instead).block_size == 0 ? *instead : GgmlFormat::f16;
}

QuantizeTarget target_for(const ModelTensor& tensor, const QuantizeOptions& options) {
  const auto* ggml = std::get_if<GgmlFormat>(&options.target);
  if (!ggml || !options.fallback) return options.target;
  if (const auto instead = fallback_format(*ggml, tensor.cols())) return *instead;
  return options.target;
}

std::optional<KeptBecause> why_kept(const ModelTensor& tensor, const QuantizeOptions& options) {
  if (const auto why = kept_by_type(tensor)) return why;
  if (tensor.shape.size() < 2) return KeptBecause::few_dimensions;
  if (tensor.count == 0) return KeptBecause::empty;
  if (const auto why = kept_by_name(tensor, options)) return why;
  const bool uneven = tensor.cols() % row_multiple(options) != 0;
  if (uneven && target_for(tensor, options) == options.target) return KeptBecause::uneven_rows;
  return std::nullopt;
}

}  // namespace refute::instruments
