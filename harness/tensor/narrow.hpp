#pragma once

// f32 values as elements of a narrower float type, rounded to nearest, ties to even. NaN stays NaN;
// infinities stay.

#include <cstddef>
#include <optional>
#include <span>

#include "harness/tensor/dtype.hpp"

namespace refute::tensor {

/// Writes in.size() elements of F32, F16 or BF16. Gives the index of the first finite value that is
/// too large for the type and became infinite, if there is one.
std::optional<std::size_t> narrow(std::span<const float> in, DType type, std::span<std::byte> out);

}  // namespace refute::tensor
