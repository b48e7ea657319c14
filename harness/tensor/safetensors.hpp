#pragma once

// Reads safetensors (github.com/huggingface/safetensors, "Format"): 8 bytes of little-endian header
// length, a JSON header, then the tensors' bytes without gaps. A file comes from outside: every
// number in it is checked before it is used, and each error names the file, the tensor and what is
// wrong.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/tensor/dtype.hpp"
#include "harness/tensor/float_view.hpp"
#include "harness/tensor/mapped_file.hpp"

namespace refute::tensor {

struct TensorInfo {
  std::string name;
  DType dtype{};
  std::vector<std::size_t> shape;  ///< outermost first; empty for a scalar
  std::size_t count = 1;           ///< of elements: the product of the shape
  std::size_t begin = 0, end = 0;  ///< in the file, end exclusive

  /// As a row-major matrix: the last dimension is the columns, all others together are the rows.
  std::size_t cols() const { return shape.empty() ? 1 : shape.back(); }
  std::size_t rows() const { return cols() == 0 ? 0 : count / cols(); }
};

/// What a header may cost.
struct HeaderBounds {
  std::size_t header_bytes = 16u << 20;
  std::size_t nodes = 1'000'000;
};

/// One tensor as its header describes it. `known` is false for a dtype that has no DType: its name
/// is then all that there is, and `info.dtype` means nothing.
struct SafetensorsEntry {
  TensorInfo info;
  std::string dtype;
  bool known = true;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< in the order of their data
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Everything that a header says. A dtype that is not known is no error; what
/// read_safetensors_header refuses besides is refused here too.
Result<SafetensorsHeader> read_safetensors(std::span<const std::byte> file,
                                           const HeaderBounds& bounds = {});

/// The tensors of a file's bytes, in the order of their data. Refuses what the format forbids (a
/// header past the end, offsets that overlap, leave a gap or reach past the end, a size that is not
/// shape times dtype) and products that overflow. Errors do not name the file.
Result<std::vector<TensorInfo>> read_safetensors_header(std::span<const std::byte> file,
                                                        const HeaderBounds& bounds = {});

class Safetensors {
 public:
  static Result<Safetensors> open(const std::string& path);

  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const TensorInfo* find(std::string_view name) const;
  std::span<const std::byte> bytes(const TensorInfo& info) const;

  /// The values as f32; an error for a dtype that is not F32, F16 or BF16. A view in place lives as
  /// long as this.
  Result<FloatView> floats(const TensorInfo& info) const;

 private:
  Safetensors(std::string path, MappedFile file, std::vector<TensorInfo> tensors);

  std::string path_;
  MappedFile file_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace refute::tensor
