#pragma once

// By which arithmetic a forward pass runs. All paths go through the same code (stage_run.hpp); they
// differ in the operations that it calls.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "harness/forward/decoder_model.hpp"
#include "harness/instruments/attention_run.hpp"
#include "harness/model/result.hpp"
#include "harness/tensor/capture_manifest.hpp"
#include "harness/tensor/stages.hpp"

namespace refute::forward {

using instruments::AttentionKernel;

enum class PathName : std::uint8_t {
  reference,          ///< f32 storage, f64 sums in a fixed order, on weights as they were trained
  reference_dequant,  ///< the same, on weights that were quantised and are dequantised
  fast,               ///< f32, matrix products by OpenBLAS
};
inline constexpr std::array<std::string_view, 3> kPathNames = {"reference", "reference-dequant",
                                                               "fast"};
constexpr std::string_view to_string(PathName p) {
  return kPathNames[static_cast<std::size_t>(p)];
}

/// naive materialises scores and probabilities as stages of their own, in the path's arithmetic.
/// flash2 is kernels/attention.hpp's: the scalar one on the references, the vector one on fast.
struct ExecutionPath {
  PathName name = PathName::reference;
  AttentionKernel attention = AttentionKernel::naive;
  unsigned threads = 1;

  bool is_fast() const { return name == PathName::fast; }
};

/// Why a path cannot run a model. `code` is one word for machines.
struct PathRefusal {
  std::string code;  ///< "unsupported-head-dim", "no-openblas", "quantised-weights"
  Error error;
};

/// Nothing is replaced by something else: a path that cannot run as it was asked for is refused.
std::optional<PathRefusal> refuse_path(const ExecutionPath& path, const DecoderModel& model);

/// reference, or reference-dequant where the weights are quantised.
PathName oracle_of(const DecoderModel& model);

/// What the manifest of a capture says of the path, with its fingerprint.
tensor::CapturePath describe(const ExecutionPath& path, const DecoderModel& model);

/// Stages that do run: qkv_bias and the norms of Q and K where the model has them, scores and
/// probabilities where attention is naive.
bool has_stage(tensor::Stage stage, const DecoderConfig& config, AttentionKernel attention);

}  // namespace refute::forward
