#include "harness/tensor/fuzz/fuzz_target.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "harness/tensor/file_layout.hpp"
#include "harness/tensor/model_file.hpp"

namespace refute::tensor {
namespace {

constexpr std::size_t kMostValues = 1u << 16;  // a piece; small files can claim no more in all

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

/// A file without a name, because ModelFile opens files and not bytes.
class Unnamed {
 public:
  explicit Unnamed(std::span<const std::byte> bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    const auto written = ::write(fd_, bytes.data(), bytes.size());
    must(written == static_cast<ssize_t>(bytes.size()), "no memory for the file");
  }
  ~Unnamed() { ::close(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

void try_values(const ModelTensor& tensor) {
  const std::size_t block = values_per_block(tensor.type);
  must(block > 0, "a block of nothing");
  const std::size_t piece = std::max<std::size_t>(1, kMostValues / block) * block;
  // The first and the last piece: everything in between is read alike.
  std::vector<float> values;
  for (const std::size_t first : {std::size_t{0}, tensor.count / piece * piece}) {
    values.resize(std::min(piece, tensor.count - first));
    must(!dequantize(tensor, first, values) == has_values(tensor.type),
         "values that are not there");
  }
}

bool stands_alone(const TensorType& type) {
  if (const auto* unknown = std::get_if<UnknownType>(&type); unknown && unknown->misfit)
    return false;
  return !std::holds_alternative<ScaledFp8>(type) && !std::holds_alternative<GroupedNf4>(type);
}

/// What was read, written and read again, is the same.
void try_layout(const ModelFile& model) {
  std::vector<StoredTensor> stored;
  for (const ModelTensor& t : model.tensors()) {
    if (!stands_alone(t.type)) return;
    stored.push_back({t.name, t.type, t.shape, t.bytes.size()});
  }
  const bool gguf = model.format() == ModelFormat::gguf;
  auto layout =
      gguf ? lay_out_gguf(stored, model.metadata()) : lay_out_safetensors(stored, model.metadata());
  if (!layout) return;  // two kinds of unknown types that share a number
  layout->head.resize(layout->size, '\0');
  const Unnamed file(std::as_bytes(std::span(layout->head)));
  const auto again = ModelFile::open(file.path());
  must(static_cast<bool>(again), "a file of our own that we cannot read");
  must(again->metadata() == model.metadata(), "other metadata");
  for (const StoredTensor& want : stored) {
    const ModelTensor* got = again->find(want.name);
    must(got != nullptr && got->shape == want.shape && got->type == want.type, "another tensor");
  }
}

}  // namespace

void try_model_bytes(std::span<const std::byte> bytes) {
  const Unnamed file(bytes);
  const auto model = ModelFile::open(file.path());
  if (!model) {
    must(model.error().what.size() < 4096, "an error as long as a novel");
    return;
  }
  for (const ModelTensor& tensor : model->tensors()) {
    must(tensor.file_offset <= bytes.size() &&
             tensor.bytes.size() <= bytes.size() - tensor.file_offset,
         "a tensor outside its file");
    must(model->find(tensor.name) == &tensor, "a tensor that is not found");
    try_values(tensor);
  }
  try_layout(*model);
  must(!model->damaged(), "damage where nobody did any");
}

}  // namespace refute::tensor
