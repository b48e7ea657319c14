#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "harness/instruments/glob.hpp"
#include "harness/instruments/quantize.hpp"
#include "harness/tensor/nf4_container.hpp"
#include "harness/tensor/text.hpp"
#include "kernels/nf4.hpp"

namespace refute::instruments {
namespace {

using kernels::Fp8Format;
using kernels::Fp8Granularity;
using tensor::DType;
using tensor::MetaType;
using tensor::MetaValue;
using tensor::ModelFile;
using tensor::ModelTensor;
using tensor::StoredTensor;

constexpr std::uint64_t kQuantizationVersion = 2;  // GGML_QNT_VERSION

/// Codes and their scales as they are stored in several tensors cannot be carried along as one.
bool is_joined(const tensor::TensorType& type) {
  if (const auto* unknown = std::get_if<tensor::UnknownType>(&type); unknown && unknown->misfit)
    return true;
  return std::holds_alternative<tensor::ScaledFp8>(type) ||
         std::holds_alternative<tensor::GroupedNf4>(type);
}

std::optional<Error> check_kept(const ModelFile& model, const ModelTensor& tensor, bool to_gguf) {
  const bool foreign = std::holds_alternative<tensor::UnknownType>(tensor.type) ||
                       std::holds_alternative<kernels::GgmlFormat>(tensor.type);
  const bool same_container = to_gguf == (model.format() == tensor::ModelFormat::gguf);
  if (!is_joined(tensor.type) && (!foreign || same_container)) return std::nullopt;
  return Error{fmt::format("{}: tensor '{}' is {} already", model.path(),
                           tensor::printable(tensor.name), to_string(tensor.type)),
               "quantising twice loses twice; start from the float model, or `refute dequantize`"};
}

void add_fp8(QuantizePlan& plan, const ModelTensor& tensor, Fp8Format format) {
  std::vector<std::size_t> scale_shape = tensor.shape;
  std::size_t scales = 1;
  switch (plan.options.granularity) {
    case Fp8Granularity::tensor:
      scale_shape.clear();
      break;
    case Fp8Granularity::channel:
      scale_shape.back() = 1;
      scales = tensor.rows();
      break;
    case Fp8Granularity::block:
      scale_shape.back() /= plan.options.block;
      scales = tensor.count / plan.options.block;
      break;
  }
  const DType codes = format == Fp8Format::e4m3 ? DType::f8_e4m3 : DType::f8_e5m2;
  plan.stored.push_back({tensor.name, codes, tensor.shape, tensor.count});
  plan.stored.push_back({tensor.name + "_scale", DType::f32, scale_shape, scales * 4});
}

void add_nf4(QuantizePlan& plan, const ModelTensor& tensor) {
  const std::size_t blocks = tensor.count / kernels::kNf4Block, bytes = tensor.count / 2;
  const std::size_t state = tensor::nf4_state(tensor, kernels::kNf4Block).size();
  const std::string state_name = tensor.name + std::string(tensor::kNf4StateSuffix);
  plan.stored.push_back({tensor.name, DType::u8, {bytes, 1}, bytes});
  plan.stored.push_back({tensor.name + ".absmax", DType::f32, {blocks}, blocks * 4});
  plan.stored.push_back({tensor.name + ".quant_map", DType::f32, {16}, 64});
  plan.stored.push_back({state_name, DType::u8, {state}, state});
}

void add_quantized(QuantizePlan& plan, const ModelTensor& tensor, const QuantizeTarget& target) {
  if (const auto* fp8 = std::get_if<Fp8Format>(&target)) return add_fp8(plan, tensor, *fp8);
  if (std::holds_alternative<Nf4Target>(target)) return add_nf4(plan, tensor);
  const auto format = std::get<kernels::GgmlFormat>(target);
  const std::size_t bytes = kernels::ggml_bytes(format, tensor.count).value();
  plan.stored.push_back({tensor.name, tensor::stored_type(format), tensor.shape, bytes});
}

void set(tensor::Metadata& metadata, const std::string& key, MetaValue value) {
  const auto found =
      std::ranges::find_if(metadata, [&](const auto& member) { return member.first == key; });
  if (found != metadata.end()) {
    found->second = std::move(value);
  } else {
    metadata.emplace_back(key, std::move(value));
  }
}

/// What a GGUF file says of itself goes along; a safetensors file's texts get a prefix there, for
/// GGUF's own keys are a namespace with meanings. general.file_type would be a lie afterwards.
tensor::Metadata metadata_for(const ModelFile& model, bool to_gguf) {
  tensor::Metadata metadata;
  const bool from_gguf = model.format() == tensor::ModelFormat::gguf;
  for (const auto& [key, value] : model.metadata()) {
    if (key == "general.file_type" && from_gguf) continue;
    metadata.emplace_back(to_gguf && !from_gguf ? "safetensors." + key : key, value);
  }
  if (!to_gguf) return metadata;
  set(metadata, "general.quantization_version", {MetaType::u32, kQuantizationVersion});
  return metadata;
}

bool is_dropped(const ModelTensor& tensor, const QuantizeOptions& options) {
  return std::ranges::any_of(
      options.drop, [&](const std::string& glob) { return glob_matches(glob, tensor.name); });
}

Error not_held(const ModelFile& model, const Error& error, bool to_gguf) {
  std::string hint = "leave the tensor out with --drop, or rename it";
  if (to_gguf)
    hint = "leave the tensor out with --drop, or choose fp8-e4m3 or nf4, which go to safetensors";
  return {model.path() + ": " + error.what, error.hint.empty() ? hint : error.hint};
}

}  // namespace

Result<QuantizePlan> plan_quantize(const ModelFile& model, const QuantizeOptions& options) {
  QuantizePlan plan{.options = options, .steps = {}, .stored = {}, .layout = {}, .dropped = {}};
  const bool to_gguf = std::holds_alternative<kernels::GgmlFormat>(options.target);
  for (const ModelTensor& tensor : model.tensors()) {
    if (is_dropped(tensor, options)) {
      plan.dropped.push_back(&tensor);
      continue;
    }
    const QuantizeStep step{&tensor, why_kept(tensor, options), target_for(tensor, options),
                            plan.stored.size()};
    plan.source_values += tensor.count;
    if (!step.kept) {
      ++plan.quantized;
      add_quantized(plan, tensor, step.target);
    } else if (auto error = check_kept(model, tensor, to_gguf)) {
      return *std::move(error);
    } else {
      plan.stored.push_back({tensor.name, tensor.type, tensor.shape, tensor.bytes.size()});
    }
    plan.steps.push_back(step);
  }
  const auto metadata = metadata_for(model, to_gguf);
  auto layout =
      to_gguf ? lay_out_gguf(plan.stored, metadata) : lay_out_safetensors(plan.stored, metadata);
  if (!layout) return not_held(model, layout.error(), to_gguf);
  plan.layout = *std::move(layout);
  return plan;
}

}  // namespace refute::instruments
