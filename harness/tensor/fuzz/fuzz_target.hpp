#pragma once

#include <cstddef>
#include <span>

namespace refute::tensor {

/// Reads the bytes as a model file, whatever they are, and ends the process where something is
/// wrong with what came out: a tensor that reaches outside the file, a value that cannot be read
/// though its type can, or a file that, laid out anew, does not read as the same.
void try_model_bytes(std::span<const std::byte> bytes);

}  // namespace refute::tensor
