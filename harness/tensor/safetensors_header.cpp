#include <algorithm>
#include <limits>
#include <optional>
#include <tuple>

#include <fmt/core.h>

#include "harness/json/json.hpp"
#include "harness/tensor/safetensors.hpp"

namespace refute::tensor {
namespace {

constexpr std::size_t kLengthBytes = 8;

Error damaged(std::string what) {
  return {std::move(what), "the file is damaged or not safetensors; fetch it again"};
}

std::uint64_t read_u64(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

std::optional<std::size_t> product(std::size_t a, std::size_t b) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / b) return std::nullopt;
  return a * b;
}

/// A list of non-negative integers, or none.
std::optional<std::vector<std::size_t>> as_sizes(const Value* value) {
  if (value == nullptr || !value->is_list()) return std::nullopt;
  std::vector<std::size_t> sizes;
  for (const Value& item : *value->as_list()) {
    const std::int64_t* size = item.as_int();
    if (size == nullptr || *size < 0) return std::nullopt;
    sizes.push_back(static_cast<std::size_t>(*size));
  }
  return sizes;
}

/// Reads one entry of the header; begin and end still count from the start of the data.
Result<SafetensorsEntry> read_entry(const std::string& name, const Value& entry,
                                    std::size_t data_bytes) {
  const auto wrong = [&](std::string what) {
    return damaged(fmt::format("tensor '{}': {}", name, what));
  };
  const Value* dtype = entry.find("dtype");
  if (dtype == nullptr || !dtype->is_string()) return wrong("has no dtype");
  const auto known = dtype_from(*dtype->as_string());
  const auto shape = as_sizes(entry.find("shape"));
  if (!shape) return wrong("shape is not a list of non-negative integers");
  const auto offsets = as_sizes(entry.find("data_offsets"));
  if (!offsets || offsets->size() != 2)
    return wrong("data_offsets is not a pair of non-negative integers");

  TensorInfo info{.name = name,
                  .dtype = known.value_or(DType::u8),
                  .shape = *shape,
                  .begin = (*offsets)[0],
                  .end = (*offsets)[1]};
  std::optional<std::size_t> count = 1;
  for (const std::size_t extent : info.shape) count = count ? product(*count, extent) : count;
  const auto bytes = count ? product(*count, bytes_of(info.dtype)) : count;
  if (!bytes) return wrong("the product of its shape overflows");
  if (info.begin > info.end || info.end > data_bytes) {
    return wrong(fmt::format("data_offsets [{}, {}] do not lie in the {} bytes of data", info.begin,
                             info.end, data_bytes));
  }
  if (known && info.end - info.begin != *bytes) {
    return wrong(fmt::format("data_offsets span {} bytes, but its shape and dtype take {}",
                             info.end - info.begin, *bytes));
  }
  info.count = *count;
  return SafetensorsEntry{std::move(info), *dtype->as_string(), known.has_value()};
}

/// The format wants the data indexed without overlap and without a gap.
std::optional<Error> check_contiguous(const std::vector<SafetensorsEntry>& sorted,
                                      std::size_t data_bytes) {
  std::size_t reached = 0;
  for (const auto& [info, dtype, known] : sorted) {
    if (info.begin != reached) {
      return damaged(fmt::format(
          "tensor '{}': its data starts at {}, {} the {} bytes before it", info.name, info.begin,
          info.begin < reached ? "overlapping" : "leaving a gap after", reached));
    }
    reached = info.end;
  }
  if (reached == data_bytes) return std::nullopt;
  return damaged(fmt::format("{} bytes at the end belong to no tensor", data_bytes - reached));
}

/// __metadata__ maps texts to texts.
std::optional<Error> read_metadata(const Value& entry, SafetensorsHeader& header) {
  if (!entry.is_map()) return damaged("__metadata__ is not a JSON object");
  for (const auto& [key, value] : *entry.as_map()) {
    if (!value.is_string()) return damaged(fmt::format("__metadata__: '{}' is not a text", key));
    header.metadata.emplace_back(key, *value.as_string());
  }
  return std::nullopt;
}

}  // namespace

Result<SafetensorsHeader> read_safetensors(std::span<const std::byte> file,
                                           const HeaderBounds& bounds) {
  if (file.size() < kLengthBytes) return damaged(fmt::format("only {} bytes long", file.size()));
  const std::uint64_t header_bytes = read_u64(file);
  if (header_bytes > file.size() - kLengthBytes) {
    return damaged(fmt::format("the header is said to be {} bytes long, the file has {}",
                               header_bytes, file.size()));
  }
  if (header_bytes > bounds.header_bytes) {
    return damaged(fmt::format("the header is {} bytes long, more than {}", header_bytes,
                               bounds.header_bytes));
  }
  const auto text = file.subspan(kLengthBytes, header_bytes);
  const std::string_view json_text(reinterpret_cast<const char*>(text.data()), text.size());
  auto document =
      json::parse(json_text, {.bytes = bounds.header_bytes, .depth = 8, .nodes = bounds.nodes});
  if (!document) return damaged("the header is not JSON: " + document.error().what);
  if (!document->is_map()) return damaged("the header is not a JSON object");

  const std::size_t data_begin = kLengthBytes + header_bytes;
  const std::size_t data_bytes = file.size() - data_begin;
  SafetensorsHeader read;
  for (const auto& [name, entry] : *document->as_map()) {
    if (name == "__metadata__") {
      if (auto error = read_metadata(entry, read)) return *std::move(error);
      continue;
    }
    auto one = read_entry(name, entry, data_bytes);
    if (!one) return one.take_error();
    read.entries.push_back(*std::move(one));
  }
  std::ranges::sort(read.entries, {}, [](const SafetensorsEntry& e) {
    return std::tie(e.info.begin, e.info.end, e.info.name);
  });
  if (auto error = check_contiguous(read.entries, data_bytes)) return *std::move(error);
  for (SafetensorsEntry& e : read.entries) {
    e.info.begin += data_begin;
    e.info.end += data_begin;
  }
  return read;
}

Result<std::vector<TensorInfo>> read_safetensors_header(std::span<const std::byte> file,
                                                        const HeaderBounds& bounds) {
  auto header = read_safetensors(file, bounds);
  if (!header) return header.take_error();
  std::vector<TensorInfo> tensors;
  for (auto& [info, dtype, known] : header->entries) {
    if (!known) return damaged(fmt::format("tensor '{}': unknown dtype '{}'", info.name, dtype));
    tensors.push_back(std::move(info));
  }
  return tensors;
}

}  // namespace refute::tensor
