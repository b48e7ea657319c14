#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "harness/model/result.hpp"
#include "harness/tensor/float_view.hpp"
#include "harness/tensor/model_file.hpp"

namespace refute::forward {

/// All values of a tensor: in place where they are F32, else a copy.
Result<tensor::FloatView> floats_of(const tensor::ModelTensor& tensor, unsigned threads);

/// Values [first, first + out.size()), wherever the blocks begin.
std::optional<Error> read_floats(const tensor::ModelTensor& tensor, std::size_t first,
                                 std::span<float> out);

/// Rows of Llama's Q and K (or values of their biases, with `cols` 1) in Hugging Face's order.
/// llama.cpp's converter (LlamaModel.permute) stores each head's row j·half + i as row 2i + j, for
/// rotations of neighbours.
std::vector<float> in_hf_order(std::span<const float> rows, std::size_t heads, std::size_t head_dim,
                               std::size_t cols);

}  // namespace refute::forward
