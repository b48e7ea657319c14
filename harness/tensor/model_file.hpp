#pragma once

// A model on disk as a list of tensors, whichever format it has: safetensors, GGUF, or the shards
// of model.safetensors.index.json. Files come from outside: every number in them is checked before
// it is used, and each error names the file, the tensor and what is wrong. Files larger than memory
// work: they are mapped, and read in pieces.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/tensor/metadata.hpp"
#include "harness/tensor/tensor_type.hpp"

namespace refute::tensor {

/// Stored values that make others: FP8's scales, NF4's absmax.
struct Companion {
  std::string name;  ///< of the tensor that holds them; empty: there is none
  DType type = DType::f32;
  std::span<const std::byte> bytes;
  bool present() const { return !name.empty(); }
};

/// Double quantisation of NF4: absmax_i = map[code_i] · absmax[i / block] + offset.
struct NestedScales {
  std::vector<float> map;  ///< 256 values
  Companion absmax;        ///< F32
  std::size_t block = 256;
  float offset = 0;
};

struct ModelTensor {
  std::string name;
  TensorType type;
  std::vector<std::size_t> shape;  ///< outermost first, GGUF's too; empty for a scalar
  std::size_t count = 1;           ///< of values: the product of the shape
  std::span<const std::byte> bytes;
  std::size_t file_offset = 0;  ///< of the bytes, in `file`
  std::size_t file = 0;         ///< index into ModelFile::files()

  Companion scales;                            ///< ScaledFp8: the scales; GroupedNf4: absmax
  std::vector<float> codebook;                 ///< GroupedNf4: the 16 values that the file gives
  std::shared_ptr<const NestedScales> nested;  ///< GroupedNf4 with double quantisation, else null

  /// As a row-major matrix: the last dimension is the columns, all others together are the rows.
  std::size_t cols() const { return shape.empty() ? 1 : shape.back(); }
  std::size_t rows() const { return cols() == 0 ? 0 : count / cols(); }
};

enum class ModelFormat : std::uint8_t { safetensors, gguf };

/// An open model. Tensors and their bytes live as long as it does; moving it does not move them.
class ModelFile {
 public:
  /// Recognises the format by content: GGUF's magic, a safetensors header, an index of shards or a
  /// folder that holds one (`model.safetensors.index.json`, else a single `model.safetensors`).
  static Result<ModelFile> open(const std::string& path);

  ModelFile(ModelFile&&) noexcept;
  ModelFile& operator=(ModelFile&&) noexcept;
  ~ModelFile();

  ModelFormat format() const;
  const std::string& path() const;                ///< as it was given
  const std::vector<std::string>& files() const;  ///< that hold tensors, mapped
  /// In the order of their data. Scales and absmax that belong to another tensor are not listed;
  /// they are its companions.
  const std::vector<ModelTensor>& tensors() const;
  const ModelTensor* find(std::string_view name) const;
  const Metadata& metadata() const;
  /// What a reader should know and what is no error: tensors of unknown type, for one. A sentence
  /// each.
  const std::vector<std::string>& notes() const;

  /// An error that names the file if one was cut short, or became unreadable, since it was opened.
  /// What was read of it may be zeros then: ask after every pass, and believe nothing if it is set.
  std::optional<Error> damaged() const;

 private:
  struct State;
  explicit ModelFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// out[i] = value first + i of the tensor, row-major. `first` is a multiple of values_per_block,
/// and so is out.size(), unless it reaches the tensor's end. F64 and integers beyond 24 bits are
/// rounded to the nearest f32 (an F64 beyond its range to infinity: see beyond_f32), everything
/// else is exact or as its kernel says. An error for a type without values.
std::optional<Error> dequantize(const ModelTensor& tensor, std::size_t first, std::span<float> out);

/// Value `index` as it is stored, for a type that stores single values: F64 and integers are not
/// rounded to f32 here. NaN for types that store blocks, or none.
double exact_value(const ModelTensor& tensor, std::size_t index);

/// The first of these values that is finite as it is stored and has no finite f32: F64 alone has
/// such. `values` is what dequantize() gave from `first` on.
std::optional<std::size_t> beyond_f32(const ModelTensor& tensor, std::size_t first,
                                      std::span<const float> values);

/// The values where they are, if they are F32 and aligned.
std::optional<std::span<const float>> floats_in_place(const ModelTensor& tensor);

}  // namespace refute::tensor
