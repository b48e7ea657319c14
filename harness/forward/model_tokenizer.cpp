#include "harness/forward/model_tokenizer.hpp"

#include <filesystem>
#include <string>

#include "harness/forward/decoder_layout.hpp"
#include "harness/json/json.hpp"
#include "harness/tensor/mapped_file.hpp"

namespace refute::forward {
namespace {

// Vocabularies of 250,000 words, with their merges as pairs.
constexpr json::Bounds kBounds = {.bytes = 256u << 20, .depth = 32, .nodes = 8'000'000};

}  // namespace

Result<tokenizer::BpeTables> tokenizer_of(const DecoderModel& model) {
  const DecoderLayout& layout = model.layout();
  if (layout.config_path.empty()) {
    auto tables = tokenizer::bpe_from_gguf(layout.file.metadata());
    if (tables) return tables;
    return Error{layout.file.path() + ": " + tables.error().what, tables.error().hint};
  }
  const std::string path =
      (std::filesystem::path(layout.config_path).parent_path() / "tokenizer.json").string();
  const auto file = tensor::MappedFile::open(path);
  if (!file) return Error{file.error().what, "give the token ids with --tokens"};
  if (file->bytes().size() > kBounds.bytes) return Error{path + ": is too large", ""};
  const std::string text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  const auto json = json::parse(text, kBounds);
  if (!json) return Error{path + ": " + json.error().what, json.error().hint};
  return tokenizer::bpe_from_hf(*json);
}

}  // namespace refute::forward
