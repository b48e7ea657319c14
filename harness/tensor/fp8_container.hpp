#pragma once

// FP8 weights in safetensors: codes in `w`, scales in `w_scale` (one, one per row, or one per block
// along the row) or `w_scale_inv` (a grid of blocks; multiplied as well, whatever its name says).

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/tensor/model_file.hpp"

namespace refute::tensor {

/// The rectangle of [rows, cols] that each of a grid of scales serves. A grid of the matrix's own
/// extent has blocks of 1, one of extent 1 a block of everything; any other has blocks of 128 if
/// that gives its extent, else such that they divide the matrix evenly; nothing when neither works.
std::optional<ScaledFp8> fp8_grid(kernels::Fp8Format format, std::size_t rows, std::size_t cols,
                                  std::span<const std::size_t> scale_shape);

/// Joins codes and their scales into one tensor and takes the scales from the list. Codes whose
/// scales do not fit become a tensor of unknown type, whose name says why: values without the right
/// scale are wrong.
void join_fp8(std::vector<ModelTensor>& tensors);

}  // namespace refute::tensor
