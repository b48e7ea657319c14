#pragma once

// Tensors that a file may have or not: they hold no weights, so a side without them lost none.

#include <optional>
#include <string_view>

#include "harness/tensor/model_file.hpp"

namespace refute::instruments {

/// What a tensor that stands in a model of format `here`, and not in the other one of format
/// `there`, holds in place of weights; nothing for all others. Scales of activations and of a KV
/// cache (one value), rotary frequencies that the config gives as well, numbers of positions. GGUF
/// keeps in rope_freqs what Hugging Face keeps in the config: within GGUF it may not get lost.
std::optional<std::string_view> bookkeeping(const tensor::ModelTensor& tensor,
                                            tensor::ModelFormat here, tensor::ModelFormat there);

}  // namespace refute::instruments
