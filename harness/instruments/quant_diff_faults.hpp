#pragma once

// The parts of check_codes, one per way of storing codes. `first` is the place of x[0] and y[0] in
// the tensor and begins a block.

#include "harness/instruments/quant_diff_codes.hpp"
#include "kernels/ggml.hpp"

namespace refute::instruments {

CodeCheck check_ggml_blocks(const tensor::ModelTensor& other, kernels::GgmlFormat format,
                            std::size_t first, std::span<const float> x, std::span<const float> y,
                            bool thorough);
CodeCheck check_narrow_floats(const tensor::ModelTensor& other, tensor::DType type,
                              std::size_t first, std::span<const float> x,
                              std::span<const float> y);
CodeCheck check_fp8(const tensor::ModelTensor& other, const tensor::ScaledFp8& type,
                    std::size_t first, std::span<const float> x, std::span<const float> y);
CodeCheck check_nf4(const tensor::ModelTensor& other, std::size_t block, std::size_t first,
                    std::span<const float> x, std::span<const float> y);

// Each counts one fault and keeps it if it is the worst so far; of equals the first stays.
void note_over_bound(CodeCheck& check, const CodeFault& fault);
void note_not_nearest(CodeCheck& check, const CodeFault& fault);
void note_differing(CodeCheck& check, const CodeFault& fault);

/// One of the values that companion tensors hold, as f32.
float companion_value(const tensor::Companion& scales, std::size_t index);

/// What a sorted table of levels says of x when it is stored as the level nearest to y: how far
/// beyond the middle to a neighbouring level x lies, negative inside. Beyond the ends there is no
/// neighbour.
float beyond_middle(std::span<const float> levels, float x, float y);

}  // namespace refute::instruments
