#pragma once

// Files that people take for models and that cannot be read here.

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "harness/model/result.hpp"

namespace refute::tensor {

/// What a file that is neither safetensors nor GGUF is instead, by its first bytes, and what to do
/// with it: PyTorch's zip or pickle, an archive or array of NumPy, a pointer of Git LFS. Nothing if
/// it looks like none of them.
std::optional<Error> foreign_file(std::span<const std::byte> bytes);

/// Whether PyTorch gives a model's weights this name in a folder of them.
bool is_pytorch_name(std::string_view name);

}  // namespace refute::tensor
