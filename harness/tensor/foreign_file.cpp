#include "harness/tensor/foreign_file.hpp"

#include <algorithm>
#include <string>

namespace refute::tensor {
namespace {

using namespace std::string_view_literals;

constexpr const char* kConvert =
    "convert it in Python: safetensors.torch.save_file(torch.load(PATH, weights_only=True), "
    "\"model.safetensors\")";
constexpr const char* kSave = "save the arrays with safetensors.numpy.save_file";

unsigned byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

/// Of the local header that a zip archive begins with.
std::string_view first_name_in_zip(std::string_view text) {
  constexpr std::size_t kHeader = 30, kLength = 26;
  if (text.size() < kHeader) return {};
  const std::size_t length = byte_at(text, kLength) | byte_at(text, kLength + 1) << 8;
  return text.substr(kHeader, length);
}

Error zip_error(std::string_view text) {
  const std::string_view name = first_name_in_zip(text);
  if (name.ends_with(".npy")) return {"is an archive of NumPy (.npz)", kSave};
  if (name.ends_with("data.pkl"))
    return {"is a PyTorch file (a zip archive of a pickle)", kConvert};
  return {"is a zip archive, as PyTorch's .bin, .pt and .pth are", kConvert};
}

/// Protocols 2 to 5, and no length of a header of JSON, which could begin so.
bool is_pickle(std::string_view text) {
  return text.size() >= 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5 &&
         !(text.size() > 8 && text[8] == '{');
}

}  // namespace

std::optional<Error> foreign_file(std::span<const std::byte> bytes) {
  constexpr std::size_t kLook = 4096;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min(bytes.size(), kLook));
  if (text.starts_with("PK\3\4"sv)) return zip_error(text);
  if (is_pickle(text)) return Error{"is a PyTorch file (a pickle)", kConvert};
  if (text.starts_with("\x93NUMPY"sv)) return Error{"is an array of NumPy (.npy)", kSave};
  if (text.starts_with("version https://git-lfs"sv))
    return Error{"is a pointer of Git LFS, not the file itself", "fetch it: git lfs pull"};
  return std::nullopt;
}

bool is_pytorch_name(std::string_view name) {
  return name.starts_with("pytorch_model") &&
         (name.ends_with(".bin") || name.ends_with(".bin.index.json"));
}

}  // namespace refute::tensor
