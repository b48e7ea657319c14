#pragma once

// Copies: tensors whose stored values have to be the same on both sides. Bytes and exact numbers
// decide, because f32 hides what 64-bit numbers differ by and dequantising hides other codes.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "harness/tensor/model_file.hpp"

namespace refute::instruments {

struct TensorPair;

struct Changed {
  std::uint64_t count = 0;  ///< blocks of a block format, values of everything else
  std::size_t first = 0;    ///< of the first one, the place of its first value in the tensor
  void add(const Changed& later);
};

/// Whether both sides store one and the same type, unadjusted.
bool same_storage(const TensorPair& pair);

/// What differs among values first … first + count − 1, which are whole blocks: bytes where both
/// sides store the same type, exact numbers where both hold whole numbers or F32 and F64 (a number
/// of F64 has to be rounded to the nearest F32). Nothing where the stored form decides nothing.
std::optional<Changed> stored_changes(const TensorPair& pair, std::size_t first, std::size_t count);

/// The place of the first stored value among first … first + count − 1 that differs in a pair of
/// the same storage and of values that are not blocks; first + count when none does.
std::size_t first_change(const TensorPair& pair, std::size_t first, std::size_t count);

/// The first scale, counted in stored bytes, in which two tensors of the same type differ.
std::optional<std::size_t> first_other_scale(const tensor::ModelTensor& a,
                                             const tensor::ModelTensor& b);

}  // namespace refute::instruments
