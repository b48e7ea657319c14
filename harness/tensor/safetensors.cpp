#include "harness/tensor/safetensors.hpp"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

namespace refute::tensor {

Safetensors::Safetensors(std::string path, MappedFile file, std::vector<TensorInfo> tensors)
    : path_(std::move(path)), file_(std::move(file)), tensors_(std::move(tensors)) {}

Result<Safetensors> Safetensors::open(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.take_error();
  auto tensors = read_safetensors_header(file->bytes());
  if (!tensors) return Error{path + ": " + tensors.error().what, tensors.error().hint};
  return Safetensors(path, *std::move(file), *std::move(tensors));
}

const TensorInfo* Safetensors::find(std::string_view name) const {
  const auto found = std::ranges::find(tensors_, name, &TensorInfo::name);
  return found == tensors_.end() ? nullptr : &*found;
}

std::span<const std::byte> Safetensors::bytes(const TensorInfo& info) const {
  return file_.bytes().subspan(info.begin, info.end - info.begin);
}

Result<FloatView> Safetensors::floats(const TensorInfo& info) const {
  auto view = as_floats(bytes(info), info.dtype);
  if (view) return *std::move(view);
  return Error{fmt::format("{}: tensor '{}' is {}", path_, info.name, to_string(info.dtype)),
               "only F32, F16 and BF16 can be read as f32"};
}

}  // namespace refute::tensor
