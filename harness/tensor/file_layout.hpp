#pragma once

// Where everything goes in a file of tensors that is to be written: the headers' bytes, and an
// offset for the data of each. Pure functions of names, types and shapes; filling the data in is
// left to whoever makes it, in any order.

#include <cstddef>
#include <string>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/tensor/metadata.hpp"
#include "harness/tensor/tensor_type.hpp"

namespace refute::tensor {

struct StoredTensor {
  std::string name;
  TensorType type;  ///< a DType, a GgmlFormat, or a foreign type that the container has a name for
  std::vector<std::size_t> shape;  ///< outermost first
  std::size_t bytes = 0;           ///< of its data
};

struct FileLayout {
  std::string head;                  ///< from the start of the file on
  std::vector<std::size_t> offsets;  ///< of each tensor's data, in the order given
  std::size_t size = 0;              ///< of the file
};

/// The header is padded to 8 bytes; tensors with wide elements come first, so that all are aligned.
/// Metadata that are no texts are left out. An error names a tensor that occurs twice or whose type
/// safetensors cannot hold.
Result<FileLayout> lay_out_safetensors(const std::vector<StoredTensor>& tensors,
                                       const Metadata& metadata);

/// Version 3; alignment as general.alignment says, else 32. An error names a tensor that occurs
/// twice, has a type, rank or name that GGUF cannot hold.
Result<FileLayout> lay_out_gguf(const std::vector<StoredTensor>& tensors, const Metadata& metadata);

}  // namespace refute::tensor
