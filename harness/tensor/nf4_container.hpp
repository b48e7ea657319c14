#pragma once

// NF4 in safetensors, as bitsandbytes serialises it (functional.py, QuantState.as_dict): packed
// codes in `w`, then w.absmax, w.quant_map, w.quant_state.bitsandbytes__nf4 (JSON in a tensor of
// bytes), and with double quantisation w.nested_absmax and w.nested_quant_map.

#include <string>
#include <string_view>
#include <vector>

#include "harness/tensor/model_file.hpp"

namespace refute::tensor {

inline constexpr std::string_view kNf4StateSuffix = ".quant_state.bitsandbytes__nf4";

/// Joins the parts of each NF4 tensor into one and takes the others from the list. Parts that do
/// not fit together, or are missing, leave `w` a tensor of unknown type, whose name says why. FP4,
/// under its own name or NF4's, is such a type too.
void join_nf4(std::vector<ModelTensor>& tensors);

/// The JSON that describes a tensor of floats once it is quantised, without double quantisation.
std::string nf4_state(const ModelTensor& source, std::size_t block);

}  // namespace refute::tensor
