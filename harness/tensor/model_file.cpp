#include "harness/tensor/model_file.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <fmt/core.h>

#include "harness/tensor/foreign_file.hpp"
#include "harness/tensor/fp8_container.hpp"
#include "harness/tensor/gguf.hpp"
#include "harness/tensor/gguf_types.hpp"
#include "harness/tensor/mapped_file.hpp"
#include "harness/tensor/model_index.hpp"
#include "harness/tensor/nf4_container.hpp"
#include "harness/tensor/page_guard.hpp"
#include "harness/tensor/safetensors.hpp"
#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kSingleName = "model.safetensors";

/// The guard goes before the mapping does: members are destroyed from the last to the first.
struct GuardedFile {
  MappedFile file;
  PageGuard guard;
};

Result<GuardedFile> open_guarded(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.take_error();
  auto guard = PageGuard::watch(file->bytes());
  if (!guard) return Error{path + ": " + guard.error().what, guard.error().hint};
  return GuardedFile{*std::move(file), *std::move(guard)};
}

Error in_file(const std::string& path, const Error& error) {
  return {path + ": " + error.what, error.hint};
}

ModelTensor from_safetensors(const SafetensorsEntry& entry, std::span<const std::byte> file) {
  const TensorInfo& info = entry.info;
  ModelTensor tensor{.name = info.name,
                     .type = info.dtype,
                     .shape = info.shape,
                     .count = info.count,
                     .bytes = file.subspan(info.begin, info.end - info.begin),
                     .file_offset = info.begin,
                     .scales = {},
                     .codebook = {},
                     .nested = {}};
  if (!entry.known) tensor.type = UnknownType{entry.dtype};
  return tensor;
}

ModelTensor from_gguf(const GgufTensor& info, std::span<const std::byte> file) {
  return {.name = info.name,
          .type = gguf_tensor_type(info.type_id),
          .shape = info.shape,
          .count = info.count,
          .bytes = file.subspan(info.begin, info.end - info.begin),
          .file_offset = info.begin,
          .scales = {},
          .codebook = {},
          .nested = {}};
}

/// An index is JSON text; a safetensors header's length has zeros where text goes on.
bool looks_like_index(std::span<const std::byte> bytes) {
  if (bytes.size() < 2) return false;
  const auto at = [&](std::size_t i) { return std::to_integer<char>(bytes[i]); };
  return at(0) == '{' && at(1) != '\0';
}

Result<std::string> file_in_folder(const std::string& folder) {
  std::error_code ignored;
  for (const char* name : {kIndexName, kSingleName}) {
    const fs::path path = fs::path(folder) / name;
    if (fs::is_regular_file(path, ignored)) return path.string();
  }
  std::string what = fmt::format("{}: a folder without {} or {}", folder, kIndexName, kSingleName);
  for (fs::directory_iterator at(folder, ignored); !ignored && at != fs::directory_iterator();
       at.increment(ignored)) {
    const std::string name = at->path().filename().string();
    if (is_pytorch_name(name))
      return Error{fmt::format("{}; {} is PyTorch's", what, printable(name)),
                   "convert its weights to safetensors, or fetch the model in that format"};
  }
  return Error{what, "name the model file itself"};
}

}  // namespace

struct ModelFile::State {
  std::string path;
  ModelFormat format = ModelFormat::safetensors;
  std::vector<std::string> files;
  std::vector<GuardedFile> mapped;
  std::vector<ModelTensor> tensors;
  std::unordered_map<std::string_view, std::size_t> by_name;
  Metadata metadata;
  std::vector<std::string> notes;

  std::optional<Error> read(const std::string& file);
  std::optional<Error> add_safetensors(const std::string& path, GuardedFile file);
  std::optional<Error> add_gguf(const std::string& path, GuardedFile file);
  std::optional<Error> add_shards(const std::string& path, const GuardedFile& index);
  std::optional<Error> index_names();
  void note_unknown_types();
  std::optional<Error> damaged() const;
};

std::optional<Error> ModelFile::State::add_safetensors(const std::string& file_path,
                                                       GuardedFile file) {
  auto header = read_safetensors(file.file.bytes());
  if (!header) {
    const auto foreign = foreign_file(file.file.bytes());
    return foreign ? Error{file_path + " " + foreign->what, foreign->hint}
                   : in_file(file_path, header.error());
  }
  for (const SafetensorsEntry& entry : header->entries) {
    tensors.push_back(from_safetensors(entry, file.file.bytes()));
    tensors.back().file = files.size();
  }
  for (auto& [key, text] : header->metadata) {
    // Shards repeat their metadata; the first one's count.
    if (tensor::find(metadata, key) == nullptr)
      metadata.emplace_back(key, MetaValue{MetaType::string, std::move(text)});
  }
  files.push_back(file_path);
  mapped.push_back(std::move(file));
  return std::nullopt;
}

std::optional<Error> ModelFile::State::add_gguf(const std::string& file_path, GuardedFile file) {
  auto header = read_gguf(file.file.bytes());
  if (!header) return in_file(file_path, header.error());
  format = ModelFormat::gguf;
  for (const GgufTensor& info : header->tensors)
    tensors.push_back(from_gguf(info, file.file.bytes()));
  metadata = std::move(header->metadata);
  files.push_back(file_path);
  mapped.push_back(std::move(file));
  return std::nullopt;
}

std::optional<Error> ModelFile::State::add_shards(const std::string& index_path,
                                                  const GuardedFile& index_file) {
  const auto bytes = index_file.file.bytes();
  const auto index = read_model_index({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!index) return in_file(index_path, index.error());
  for (const std::string& shard : index->shards) {
    const std::string file_path = (fs::path(index_path).parent_path() / shard).string();
    auto file = open_guarded(file_path);
    if (!file) return in_file(index_path, file.error());
    const std::size_t before = tensors.size();
    if (auto error = add_safetensors(file_path, *std::move(file))) return error;
    for (std::size_t i = before; i < tensors.size(); ++i) {
      const auto named = index->shard.find(tensors[i].name);
      if (named != index->shard.end() && named->second == shard) continue;
      return Error{fmt::format("{}: tensor '{}' is in {}, where the index does not have it",
                               index_path, printable(tensors[i].name), shard),
                   "index and shards do not belong together; fetch them again"};
    }
  }
  if (auto error = index_names()) return error;
  for (const auto& [name, shard] : index->shard) {
    if (by_name.contains(name)) continue;
    return Error{fmt::format("{}: tensor '{}' is not in {}", index_path, printable(name), shard),
                 "index and shards do not belong together; fetch them again"};
  }
  return std::nullopt;
}

std::optional<Error> ModelFile::State::index_names() {
  by_name.clear();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (by_name.emplace(tensors[i].name, i).second) continue;
    return Error{fmt::format("{}: two tensors are called '{}'", path, printable(tensors[i].name)),
                 "the file is damaged; fetch it again"};
  }
  return std::nullopt;
}

void ModelFile::State::note_unknown_types() {
  for (const ModelTensor& tensor : tensors) {
    if (has_values(tensor.type)) continue;
    notes.push_back(fmt::format("tensor '{}' has type {}, which cannot be read here",
                                printable(tensor.name), to_string(tensor.type)));
  }
}

std::optional<Error> ModelFile::State::damaged() const {
  for (std::size_t i = 0; i < mapped.size(); ++i) {
    if (!mapped[i].guard.damaged() && !mapped[i].file.changed()) continue;
    return Error{files[i] + ": was changed or cut short while it was read",
                 "wait until whatever writes it is done, then try again"};
  }
  return std::nullopt;
}

std::optional<Error> ModelFile::State::read(const std::string& file_path) {
  auto file = open_guarded(file_path);
  if (!file) return file.take_error();
  const auto bytes = file->file.bytes();
  if (bytes.empty()) return Error{file_path + ": is empty", "fetch it again"};
  std::optional<Error> error;
  if (is_gguf(bytes)) {
    error = add_gguf(file_path, *std::move(file));
  } else if (looks_like_index(bytes)) {
    error = add_shards(file_path, *file);
  } else {
    error = add_safetensors(file_path, *std::move(file));
  }
  if (error) return error;
  join_nf4(tensors);
  join_fp8(tensors);
  note_unknown_types();
  if (auto twice = index_names()) return twice;
  return damaged();
}

Result<ModelFile> ModelFile::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  std::string file = path;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    auto inside = file_in_folder(path);
    if (!inside) return inside.take_error();
    file = *std::move(inside);
  }
  if (auto error = state->read(file)) return *std::move(error);
  return ModelFile(std::move(state));
}

ModelFile::ModelFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModelFile::ModelFile(ModelFile&&) noexcept = default;
ModelFile& ModelFile::operator=(ModelFile&&) noexcept = default;
ModelFile::~ModelFile() = default;

ModelFormat ModelFile::format() const {
  return state_->format;
}
const std::string& ModelFile::path() const {
  return state_->path;
}
const std::vector<std::string>& ModelFile::files() const {
  return state_->files;
}
const std::vector<ModelTensor>& ModelFile::tensors() const {
  return state_->tensors;
}
const Metadata& ModelFile::metadata() const {
  return state_->metadata;
}
const std::vector<std::string>& ModelFile::notes() const {
  return state_->notes;
}

const ModelTensor* ModelFile::find(std::string_view name) const {
  const auto found = state_->by_name.find(name);
  return found == state_->by_name.end() ? nullptr : &state_->tensors[found->second];
}

std::optional<Error> ModelFile::damaged() const {
  return state_->damaged();
}

}  // namespace refute::tensor
