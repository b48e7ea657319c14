#pragma once

// What `refute quantize` can make of a model's weights, and what a quantiser of models leaves
// alone.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/tensor/model_file.hpp"
#include "kernels/fp8.hpp"
#include "kernels/ggml.hpp"

namespace refute::instruments {

struct Nf4Target {
  bool operator==(const Nf4Target&) const = default;
};

/// FP8 and NF4 go to safetensors, ggml's formats to GGUF.
using QuantizeTarget = std::variant<kernels::Fp8Format, Nf4Target, kernels::GgmlFormat>;

struct QuantizeOptions {
  QuantizeTarget target;
  kernels::Fp8Granularity granularity = kernels::Fp8Granularity::tensor;  ///< FP8 only
  std::size_t block = 128;        ///< FP8 by block only; a power of two
  std::vector<std::string> keep;  ///< globs of tensors to leave alone besides
  /// K formats only: rows that are no multiple of 256 take another format, as in llama.cpp.
  bool fallback = false;
  std::vector<std::string> drop = {};  ///< globs of tensors that are not to be in the result at all
};

/// "fp8-e4m3", "fp8-e5m2", "nf4", and ggml's names; upper and lower case alike for the last.
std::optional<QuantizeTarget> quantize_target(std::string_view name);
std::string to_string(const QuantizeTarget& target);
const std::vector<std::string>& quantize_target_names();

/// Values that share a scale along a row, so that rows have to be a multiple of it.
std::size_t row_multiple(const QuantizeOptions& options);

enum class KeptBecause {
  few_dimensions,     ///< norms and biases
  empty,              ///< no values
  not_floating,       ///< integers and flags
  already_quantized,  ///< quantising twice loses twice
  unknown_type,
  asked_for,    ///< --keep
  embedding,    ///< and the output head: the formats of ML frameworks quantise linear layers only
  position,     ///< positions and token types, which ggml's quantiser leaves
  router,       ///< picks experts: a small error there picks another one
  uneven_rows,  ///< rows that are no multiple of what shares a scale
};
std::string_view describe(KeptBecause why);

/// What llama.cpp stores rows of this length as where they do not make whole blocks of the K
/// format: about as many bits in blocks of 32, or F16 (llama-quant.cpp, tensor_type_fallback).
/// Nothing where they do, or for other formats.
std::optional<kernels::GgmlFormat> fallback_format(kernels::GgmlFormat format, std::size_t cols);

/// What the tensor is to become: the target, or what stands in for it.
QuantizeTarget target_for(const tensor::ModelTensor& tensor, const QuantizeOptions& options);

/// Why this tensor is left as it is, or nothing when it is to be quantised.
std::optional<KeptBecause> why_kept(const tensor::ModelTensor& tensor,
                                    const QuantizeOptions& options);

}  // namespace refute::instruments
