#include "harness/tensor/file_layout.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include <fmt/core.h>

#include "harness/json/json.hpp"
#include "harness/tensor/gguf.hpp"
#include "harness/tensor/gguf_metadata.hpp"
#include "harness/tensor/gguf_types.hpp"
#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

template <class T>
void append(std::string& to, T number) {
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append_text(std::string& to, const std::string& text) {
  append(to, static_cast<std::uint64_t>(text.size()));
  to += text;
}

std::size_t rounded_up(std::size_t bytes, std::size_t to) {
  return (bytes + to - 1) / to * to;
}

Error cannot(const StoredTensor& tensor, const std::string& what) {
  return {fmt::format("tensor '{}': {}", printable(tensor.name), what), ""};
}

std::optional<Error> check_unique(const std::vector<StoredTensor>& tensors) {
  std::unordered_set<std::string_view> seen;
  for (const StoredTensor& tensor : tensors) {
    if (!seen.insert(tensor.name).second) return cannot(tensor, "the file would have it twice");
  }
  return std::nullopt;
}

Value sizes(std::span<const std::size_t> of) {
  Value list = Value::List{};
  for (const std::size_t size : of) list.push(Value(static_cast<std::uint64_t>(size)));
  return list;
}

/// 0 for a type of unknown width, which then comes last.
std::size_t element_bytes(const TensorType& type) {
  const auto* plain = std::get_if<DType>(&type);
  return plain == nullptr ? 0 : bytes_of(*plain);
}

/// The name of the type in a safetensors header.
std::optional<std::string> safetensors_dtype(const TensorType& type) {
  if (const auto* plain = std::get_if<DType>(&type)) return std::string(to_string(*plain));
  if (const auto* unknown = std::get_if<UnknownType>(&type); unknown && !unknown->misfit)
    return unknown->name;
  return std::nullopt;
}

std::vector<std::size_t> widest_first(const std::vector<StoredTensor>& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, std::greater<>{},
                           [&](std::size_t i) { return element_bytes(tensors[i].type); });
  return order;
}

Value metadata_texts(const Metadata& metadata) {
  Value texts = Value::Map{};
  for (const auto& [key, value] : metadata) {
    if (const auto* text = std::get_if<std::string>(&value.value)) texts.set(key, Value(*text));
  }
  return texts;
}

std::optional<Error> check_gguf(const StoredTensor& tensor) {
  if (!gguf_type_id(tensor.type))
    return cannot(tensor, fmt::format("GGUF cannot hold type {}", to_string(tensor.type)));
  if (tensor.shape.size() > kGgufDimensions)
    return cannot(tensor, fmt::format("GGUF cannot hold {} dimensions, only {}",
                                      tensor.shape.size(), kGgufDimensions));
  if (tensor.name.size() > kGgufWrittenNameBytes)
    return cannot(tensor, fmt::format("GGUF cannot hold a name of more than {} bytes",
                                      kGgufWrittenNameBytes));
  return std::nullopt;
}

std::size_t alignment_in(const Metadata& metadata) {
  const MetaValue* value = find(metadata, "general.alignment");
  const auto* number = value == nullptr ? nullptr : std::get_if<std::uint64_t>(&value->value);
  return number == nullptr ? kGgufDefaultAlignment : static_cast<std::size_t>(*number);
}

void append_key(std::string& head, const std::string& key, const MetaValue& value) {
  append_text(head, key);
  append(head, static_cast<std::uint32_t>(value.type));
  append_gguf_value(head, value);
}

void append_description(std::string& head, const StoredTensor& tensor, std::size_t offset) {
  append_text(head, tensor.name);
  append(head, static_cast<std::uint32_t>(tensor.shape.size()));
  for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent)
    append(head, static_cast<std::uint64_t>(*extent));
  append(head, *gguf_type_id(tensor.type));
  append(head, static_cast<std::uint64_t>(offset));
}

}  // namespace

Result<FileLayout> lay_out_safetensors(const std::vector<StoredTensor>& tensors,
                                       const Metadata& metadata) {
  if (auto error = check_unique(tensors)) return *std::move(error);
  // One entry after the other as text: setting members of one Value would look each name up.
  std::string header = "{";
  const Value texts = metadata_texts(metadata);
  if (!texts.as_map()->empty()) header += "\"__metadata__\":" + json::dump(texts) + ",";
  FileLayout layout{.head = {}, .offsets = std::vector<std::size_t>(tensors.size())};
  std::size_t reached = 0;
  for (const std::size_t i : widest_first(tensors)) {
    const StoredTensor& tensor = tensors[i];
    const auto dtype = safetensors_dtype(tensor.type);
    if (!dtype)
      return cannot(tensor, fmt::format("safetensors cannot hold type {}", to_string(tensor.type)));
    Value entry;
    entry.set("dtype", *dtype);
    entry.set("shape", sizes(tensor.shape));
    entry.set("data_offsets", sizes(std::vector{reached, reached + tensor.bytes}));
    header += json::dump(Value(tensor.name)) + ":" + json::dump(entry) + ",";
    layout.offsets[i] = reached;
    reached += tensor.bytes;
  }
  if (header.size() > 1) header.pop_back();
  header += "}";
  header.resize(rounded_up(header.size(), 8), ' ');
  append(layout.head, static_cast<std::uint64_t>(header.size()));
  layout.head += header;
  for (std::size_t& offset : layout.offsets) offset += layout.head.size();
  layout.size = layout.head.size() + reached;
  return layout;
}

Result<FileLayout> lay_out_gguf(const std::vector<StoredTensor>& tensors,
                                const Metadata& metadata) {
  if (auto error = check_unique(tensors)) return *std::move(error);
  const std::size_t alignment = alignment_in(metadata);
  FileLayout layout{.head = "GGUF", .offsets = {}};
  append(layout.head, std::uint32_t{3});
  append(layout.head, static_cast<std::uint64_t>(tensors.size()));
  append(layout.head, static_cast<std::uint64_t>(metadata.size()));
  for (const auto& [key, value] : metadata) append_key(layout.head, key, value);
  std::size_t reached = 0;
  for (const StoredTensor& tensor : tensors) {
    if (auto error = check_gguf(tensor)) return *std::move(error);
    append_description(layout.head, tensor, reached);
    layout.offsets.push_back(reached);
    reached += rounded_up(tensor.bytes, alignment);
  }
  layout.head.resize(rounded_up(layout.head.size(), alignment), '\0');
  for (std::size_t& offset : layout.offsets) offset += layout.head.size();
  layout.size = layout.head.size() + reached;
  return layout;
}

}  // namespace refute::tensor
