#pragma once

// Writes a model's tensors as plain floats, to safetensors, .npz or .npy.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "harness/instruments/batches.hpp"
#include "harness/tensor/file_layout.hpp"
#include "harness/tensor/model_file.hpp"
#include "harness/tensor/new_file.hpp"
#include "harness/tensor/npz_layout.hpp"

namespace refute::instruments {

enum class FloatContainer { safetensors, npz, npy };

struct DequantizeStep {
  const tensor::ModelTensor* tensor = nullptr;
  tensor::DType type{};     ///< what it is stored as
  bool copied = false;      ///< as it is: it had that type, or is no float
  std::size_t element = 0;  ///< bytes of one stored value
};

struct DequantizePlan {
  FloatContainer container{};
  std::vector<DequantizeStep> steps;                 ///< in the order of `offsets`
  std::vector<const tensor::ModelTensor*> left_out;  ///< of a type without values
  std::string head;
  std::vector<std::size_t> offsets;
  std::size_t size = 0;
  std::optional<tensor::NpzLayout> zip;
  std::size_t source_values = 0;
};

/// Every tensor of floats becomes `type` (F32, F16 or BF16); integers stay what they are. An error
/// names a tensor that the container cannot hold; .npy holds exactly one.
Result<DequantizePlan> plan_dequantize(const tensor::ModelFile& model, FloatContainer container,
                                       tensor::DType type);

/// Fills the file, without committing it. A failure names a finite value that `type` has no finite
/// value for, the file that changed meanwhile, or the disk.
std::optional<Failure> dequantize(const tensor::ModelFile& model, const DequantizePlan& plan,
                                  const BatchOptions& batches, tensor::NewFile& file);

}  // namespace refute::instruments
