#pragma once

// What a tensor of a model file is made of: single elements, blocks of ggml, or codes with scales
// in tensors of their own.

#include <cstddef>
#include <string>
#include <variant>

#include "harness/tensor/dtype.hpp"
#include "kernels/fp8.hpp"
#include "kernels/ggml.hpp"

namespace refute::tensor {

/// FP8 codes with a companion tensor of scales: value = code · scale. One scale serves a rectangle
/// of block_rows × block_cols values of the row-major matrix (the last dimension is the columns).
/// The whole matrix: one scale per tensor; 1 × columns: per channel; 1 × 128: per block.
struct ScaledFp8 {
  kernels::Fp8Format format{};
  std::size_t block_rows = 1, block_cols = 1;
  bool operator==(const ScaledFp8&) const = default;
};

/// bitsandbytes' serialised 4-bit NormalFloat: `block` values along the flattened tensor share one
/// absmax; with double quantisation the absmax are 8-bit codes themselves.
struct GroupedNf4 {
  std::size_t block = 64;
  bool operator==(const GroupedNf4&) const = default;
};

/// Something that this build cannot turn into numbers, by the name that its file gives it.
struct UnknownType {
  std::string name;  ///< "IQ2_XXS", "F8_E8M0", "ggml type 99"
  /// A known kind whose parts do not fit together; the name says how. It has no name in its file,
  /// so it cannot be carried into another one.
  bool misfit = false;
  bool operator==(const UnknownType&) const = default;
};

/// F16 and BF16 are always the plain DType, from GGUF too.
using TensorType = std::variant<DType, kernels::GgmlFormat, ScaledFp8, GroupedNf4, UnknownType>;

/// The type of a tensor that was quantised to this format.
TensorType stored_type(kernels::GgmlFormat format);

/// "F32", "Q4_K", "F8_E4M3", "NF4", "IQ2_XXS": fit to be shown.
std::string to_string(const TensorType& type);

/// How many values share what is stored: a piece that is dequantised starts at a multiple of it.
std::size_t values_per_block(const TensorType& type);

/// Whether dequantize() can give its values. Unknown types have none.
bool has_values(const TensorType& type);

/// Whether its elements are floating-point numbers, stored as such or quantised.
bool is_floating(const TensorType& type);

}  // namespace refute::tensor
