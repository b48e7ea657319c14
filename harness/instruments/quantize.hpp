#pragma once

// Quantises a model file into another one: decides, lays out, then streams. Memory stays small
// however large the model is.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "harness/instruments/batches.hpp"
#include "harness/instruments/quantize_loss.hpp"
#include "harness/instruments/quantize_target.hpp"
#include "harness/tensor/file_layout.hpp"
#include "harness/tensor/model_file.hpp"
#include "harness/tensor/new_file.hpp"

namespace refute::instruments {

/// What happens to one tensor of the source.
struct QuantizeStep {
  const tensor::ModelTensor* tensor = nullptr;
  std::optional<KeptBecause> kept;
  QuantizeTarget target;   ///< what it becomes if it is not kept
  std::size_t stored = 0;  ///< its first tensor in the plan's list; what it needs besides follows
};

struct QuantizePlan {
  QuantizeOptions options;
  std::vector<QuantizeStep> steps;           ///< in the source's order
  std::vector<tensor::StoredTensor> stored;  ///< in the order of the layout's offsets
  tensor::FileLayout layout;
  std::vector<const tensor::ModelTensor*> dropped;
  std::size_t quantized = 0;      ///< tensors that are not kept
  std::size_t source_values = 0;  ///< of all tensors, kept ones too
};

/// An error names a tensor that the target's container cannot hold, and what to do. Points into the
/// model.
Result<QuantizePlan> plan_quantize(const tensor::ModelFile& model, const QuantizeOptions& options);

/// A tensor of which more than rounding was lost.
struct FlushedTensor {
  const tensor::ModelTensor* tensor = nullptr;
  QuantizeTarget target;
  Losses losses;
};

struct Quantized {
  std::optional<Failure> failure;
  std::vector<FlushedTensor> flushed;
};

/// Fills the file, without committing it. A failure names the tensor and the index of a value that
/// is not finite, or too large for the format, the file that changed meanwhile, or the disk.
Quantized quantize(const tensor::ModelFile& model, const QuantizePlan& plan,
                   const BatchOptions& batches, tensor::NewFile& file);

}  // namespace refute::instruments
