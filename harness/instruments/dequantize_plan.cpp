#include <utility>

#include <fmt/core.h>

#include "harness/instruments/dequantize.hpp"

namespace refute::instruments {
namespace {

using tensor::DType;
using tensor::ModelFile;
using tensor::ModelTensor;
using tensor::StoredTensor;

DequantizeStep step_for(const ModelTensor& tensor, DType floats) {
  const auto* plain = std::get_if<DType>(&tensor.type);
  const bool copied = plain != nullptr && (*plain == floats || !is_floating(tensor.type));
  const DType type = copied ? *plain : floats;
  return {&tensor, type, copied, bytes_of(type)};
}

std::optional<Error> lay_out(DequantizePlan& plan, const std::vector<StoredTensor>& stored,
                             const tensor::Metadata& metadata) {
  switch (plan.container) {
    case FloatContainer::safetensors: {
      auto layout = lay_out_safetensors(stored, metadata);
      if (!layout) return layout.take_error();
      plan.head = std::move(layout->head);
      plan.offsets = std::move(layout->offsets);
      plan.size = layout->size;
      return std::nullopt;
    }
    case FloatContainer::npz: {
      auto layout = lay_out_npz(stored);
      if (!layout) return layout.take_error();
      for (const auto& member : layout->members) plan.offsets.push_back(member.offset);
      plan.size = layout->size;
      plan.zip = *std::move(layout);
      return std::nullopt;
    }
    case FloatContainer::npy: {
      if (stored.size() != 1)
        return Error{fmt::format("an .npy file holds one tensor, here are {}", stored.size()),
                     "write an .npz or a safetensors file"};
      auto header = npy_header(stored[0]);
      if (!header) return header.take_error();
      plan.head = *std::move(header);
      plan.offsets = {plan.head.size()};
      plan.size = plan.head.size() + stored[0].bytes;
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<DequantizePlan> plan_dequantize(const ModelFile& model, FloatContainer container,
                                       DType type) {
  DequantizePlan plan{
      .container = container, .steps = {}, .left_out = {}, .head = {}, .offsets = {}, .zip = {}};
  std::vector<StoredTensor> stored;
  for (const ModelTensor& tensor : model.tensors()) {
    if (!has_values(tensor.type)) {
      plan.left_out.push_back(&tensor);
      continue;
    }
    plan.steps.push_back(step_for(tensor, type));
    const DequantizeStep& step = plan.steps.back();
    stored.push_back({tensor.name, step.type, tensor.shape, tensor.count * step.element});
    plan.source_values += tensor.count;
  }
  if (auto error = lay_out(plan, stored, model.metadata()))
    return Error{model.path() + ": " + error->what, error->hint};
  return plan;
}

}  // namespace refute::instruments
