// The tokenizer in GGUF's metadata, as llama.cpp reads it (llama-vocab.cpp).

#include <fmt/format.h>

#include "harness/tensor/byte_cursor.hpp"
#include "harness/tensor/text.hpp"
#include "harness/tokenizer/bpe.hpp"

namespace refute::tokenizer {
namespace {

using tensor::MetaArray;
using tensor::Metadata;
using tensor::MetaType;
using tensor::MetaValue;

enum TokenType : std::int32_t { kControl = 3, kUserDefined = 4 };

Error refused(const std::string& what) {
  return {"GGUF metadata: " + what, "give the token ids with --tokens"};
}

template <class T>
const T* member(const Metadata& metadata, std::string_view key) {
  const MetaValue* value = find(metadata, key);
  return value == nullptr ? nullptr : std::get_if<T>(&value->value);
}

const MetaArray* array_of(const Metadata& metadata, std::string_view key, MetaType element) {
  const auto* array = member<MetaArray>(metadata, key);
  return array != nullptr && array->element == element ? array : nullptr;
}

/// Calls take(index, text) for each. The reader checked that they are all there.
template <class Take>
void for_each_text(const MetaArray& array, Take take) {
  tensor::ByteCursor cursor(std::as_bytes(std::span(array.encoded)));
  for (std::uint64_t i = 0; i < array.count && cursor.good(); ++i) {
    const auto length = cursor.take<std::uint64_t>();
    take(static_cast<std::uint32_t>(i), std::string(cursor.take_text(length)));
  }
}

std::vector<std::int32_t> token_types(const Metadata& metadata) {
  std::vector<std::int32_t> types;
  const MetaArray* array = array_of(metadata, "tokenizer.ggml.token_type", MetaType::i32);
  if (array == nullptr) return types;
  tensor::ByteCursor cursor(std::as_bytes(std::span(array->encoded)));
  for (std::uint64_t i = 0; i < array->count && cursor.good(); ++i) {
    types.push_back(cursor.take<std::int32_t>());
  }
  return types;
}

/// llama.cpp adds the first token of Llama 3 also where the file does not say so.
std::optional<Error> read_first_token(const Metadata& metadata, BpeTables& tables) {
  const bool* says = member<bool>(metadata, "tokenizer.ggml.add_bos_token");
  if (!(says != nullptr ? *says : tables.pattern == Pattern::llama3)) return std::nullopt;
  const auto* id = member<std::uint64_t>(metadata, "tokenizer.ggml.bos_token_id");
  if (id == nullptr || *id > UINT32_MAX) return refused("has no tokenizer.ggml.bos_token_id");
  tables.before = {static_cast<std::uint32_t>(*id)};
  return std::nullopt;
}

/// llama.cpp puts them there; a tokenizer.json whose template would is refused as well.
std::optional<Error> refuse_tokens_behind(const Metadata& metadata) {
  for (const char* key : {"tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_sep_token"}) {
    const bool* adds = member<bool>(metadata, key);
    if (adds != nullptr && *adds) {
      return refused(fmt::format("{} puts a token behind the text, which is not done here", key));
    }
  }
  return std::nullopt;
}

}  // namespace

Result<BpeTables> bpe_from_gguf(const Metadata& metadata) {
  const auto* model = member<std::string>(metadata, "tokenizer.ggml.model");
  if (model == nullptr) return refused("has no tokenizer.ggml.model");
  if (*model != "gpt2") {
    return refused(
        fmt::format("the tokenizer '{}' is no byte-level BPE", tensor::printable(*model)));
  }
  const auto* pre = member<std::string>(metadata, "tokenizer.ggml.pre");
  const auto pattern = pre == nullptr ? std::nullopt : pattern_of_gguf(*pre);
  if (!pattern) {
    return refused(fmt::format("the tokenizer.ggml.pre '{}' is not known",
                               pre == nullptr ? "" : tensor::printable(*pre)));
  }
  const MetaArray* tokens = array_of(metadata, "tokenizer.ggml.tokens", MetaType::string);
  const MetaArray* merges = array_of(metadata, "tokenizer.ggml.merges", MetaType::string);
  if (tokens == nullptr || merges == nullptr) return refused("has no tokens or no merges");
  BpeTables tables;
  tables.pattern = *pattern;
  tables.whole_pieces_first = *pattern == Pattern::llama3;
  // GGUF does not say it, and llama.cpp does not do it; the models were trained on text in form C.
  tables.wants_nfc = *pattern == Pattern::qwen2;
  const std::vector<std::int32_t> types = token_types(metadata);
  bool readable = true;
  for_each_text(*tokens, [&](std::uint32_t id, std::string text) {
    readable = readable && tensor::is_utf8(text);
    const std::int32_t type = id < types.size() ? types[id] : 1;
    if ((type == kControl || type == kUserDefined) && !text.empty()) {
      tables.added.emplace_back(text, id);
    }
    tables.vocab.emplace(std::move(text), id);
  });
  // What is read letter by letter later has to be made of letters.
  if (!readable) return refused("a token is not UTF-8");
  for_each_text(*merges, [&](std::uint32_t rank, std::string text) {
    tables.merges.emplace(std::move(text), rank);
  });
  if (auto error = read_first_token(metadata, tables)) return *error;
  if (auto error = refuse_tokens_behind(metadata)) return *error;
  return tables;
}

}  // namespace refute::tokenizer
