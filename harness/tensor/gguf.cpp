#include "harness/tensor/gguf.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include <fmt/core.h>

#include "harness/tensor/byte_cursor.hpp"
#include "harness/tensor/gguf_metadata.hpp"
#include "harness/tensor/gguf_types.hpp"
#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::size_t kNothing = std::numeric_limits<std::size_t>::max();

Error wrong(std::string what) {
  return {std::move(what), "the file is damaged or not GGUF; fetch it again"};
}

/// Version 2 counts like version 3; version 1 had 32-bit counts and is not written any more.
std::optional<Error> check_version(std::uint32_t version) {
  if (version == 2 || version == 3) return std::nullopt;
  const std::uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= 3) {
    return Error{fmt::format("big-endian GGUF (version {})", swapped),
                 "only little-endian files are read; convert it with gguf_convert_endian.py"};
  }
  return Error{fmt::format("GGUF version {}", version), "versions 2 and 3 are read"};
}

Result<std::uint32_t> alignment_of(const Metadata& metadata) {
  const MetaValue* value = find(metadata, "general.alignment");
  if (value == nullptr) return kGgufDefaultAlignment;
  const auto* number = std::get_if<std::uint64_t>(&value->value);
  if (value->type != MetaType::u32 || number == nullptr || !std::has_single_bit(*number) ||
      *number > (1u << 30)) {
    return wrong("general.alignment is not a power of two of type u32");
  }
  return static_cast<std::uint32_t>(*number);
}

Result<std::string> read_name(ByteCursor& cursor, std::uint64_t index) {
  const auto length = cursor.take<std::uint64_t>();
  if (cursor.good() && length > kGgufNameBytes)
    return wrong(fmt::format("the name of tensor {} is said to be {} bytes long, more than {}",
                             index, length, kGgufNameBytes));
  std::string name(cursor.take_text(length));
  if (!cursor.good())
    return wrong(fmt::format("the name of tensor {} reaches past the end of the file", index));
  if (!is_utf8(name))
    return wrong(fmt::format("the name of tensor {} ('{}') is not UTF-8", index, printable(name)));
  return name;
}

/// The format lists dimensions innermost first.
std::optional<std::string> read_shape(ByteCursor& cursor, GgufTensor& tensor) {
  const auto dimensions = cursor.take<std::uint32_t>();
  if (dimensions > kGgufDimensions)
    return fmt::format("has {} dimensions, more than {}", dimensions, kGgufDimensions);
  for (std::uint32_t d = 0; d < dimensions; ++d) {
    const auto extent = cursor.take<std::uint64_t>();
    if (extent > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return fmt::format("dimension {} is {}", d, extent);
    tensor.shape.insert(tensor.shape.begin(), extent);
  }
  // Zeros do not excuse the other factors: a reader may multiply them first.
  std::size_t product = 1;
  for (const std::size_t extent : tensor.shape) {
    if (extent != 0 && product > kNothing / extent) return "the product of its shape overflows";
    product *= std::max<std::size_t>(extent, 1);
  }
  tensor.count = std::ranges::find(tensor.shape, 0u) == tensor.shape.end() ? product : 0;
  return std::nullopt;
}

/// Bytes of its data, or kNothing where ggml's block is not known; text: what is wrong.
std::optional<std::string> size_of(const GgufTensor& tensor, std::size_t& bytes) {
  bytes = kNothing;
  const GgufTypeRow* row = gguf_type_row(tensor.type_id);
  if (row == nullptr || row->block_values == 0) return std::nullopt;
  const std::size_t innermost = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (innermost % row->block_values != 0)
    return fmt::format("rows of {} values are no whole number of {} blocks of {}", innermost,
                       row->name, row->block_values);
  const std::size_t blocks = tensor.count / row->block_values;
  if (blocks > kNothing / 2 / row->block_bytes) return "its size in bytes overflows";
  bytes = blocks * row->block_bytes;
  return std::nullopt;
}

struct Entry {
  GgufTensor tensor;
  std::size_t bytes = kNothing;
};

Result<Entry> read_entry(ByteCursor& cursor, std::uint64_t index) {
  auto name = read_name(cursor, index);
  if (!name) return name.take_error();
  Entry entry;
  entry.tensor.name = *std::move(name);
  const auto tensor_is_wrong = [&](const std::string& what) {
    return wrong(fmt::format("tensor '{}': {}", printable(entry.tensor.name), what));
  };
  const auto bad_shape = read_shape(cursor, entry.tensor);
  entry.tensor.type_id = cursor.take<std::uint32_t>();
  entry.tensor.begin = cursor.take<std::uint64_t>();
  if (bad_shape) return tensor_is_wrong(*bad_shape);
  if (!cursor.good()) return tensor_is_wrong("its description reaches past the end of the file");
  if (const auto bad_size = size_of(entry.tensor, entry.bytes)) return tensor_is_wrong(*bad_size);
  return entry;
}

/// Offsets count from `data` on. Gives each tensor its place in the file; wants them sorted.
std::optional<Error> place(std::vector<Entry>& sorted, std::uint32_t alignment, std::size_t data,
                           std::size_t file_bytes) {
  const std::size_t data_bytes = file_bytes - data;
  std::size_t reached = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    auto& [tensor, bytes] = sorted[i];
    const auto tensor_is_wrong = [&, name = tensor.name](const std::string& what) {
      return wrong(fmt::format("tensor '{}': {}", printable(name), what));
    };
    if (tensor.begin % alignment != 0)
      return tensor_is_wrong(
          fmt::format("its offset {} is no multiple of {}", tensor.begin, alignment));
    if (tensor.begin > data_bytes)
      return tensor_is_wrong(
          fmt::format("its data starts at {} of {} bytes of data", tensor.begin, data_bytes));
    if (tensor.begin < reached)
      return tensor_is_wrong(fmt::format(
          "its data starts at {}, overlapping the {} bytes before it", tensor.begin, reached));
    if (bytes == kNothing) {
      const std::size_t next = i + 1 < sorted.size() ? sorted[i + 1].tensor.begin : data_bytes;
      bytes = std::min(next, data_bytes) - tensor.begin;
    }
    if (bytes > data_bytes - tensor.begin)
      return tensor_is_wrong(fmt::format("its {} bytes at {} reach past the {} bytes of data",
                                         bytes, tensor.begin, data_bytes));
    reached = tensor.begin + bytes;
    tensor.begin += data;
    tensor.end = tensor.begin + bytes;
  }
  return std::nullopt;
}

Result<std::vector<Entry>> read_entries(ByteCursor& cursor, std::uint64_t count) {
  std::vector<Entry> entries;
  std::unordered_set<std::string> seen;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto entry = read_entry(cursor, i);
    if (!entry) return entry.take_error();
    if (!seen.insert(entry->tensor.name).second)
      return wrong(fmt::format("two tensors are called '{}'", printable(entry->tensor.name)));
    entries.push_back(*std::move(entry));
  }
  // Of two at one place the empty one comes first, so that it does not overlap the other.
  std::ranges::stable_sort(entries, {},
                           [](const Entry& e) { return std::pair(e.tensor.begin, e.bytes); });
  return entries;
}

/// Where the data starts: the first aligned place after the table. A file of no tensors may end
/// before it.
std::optional<std::size_t> data_start(std::size_t table_end, std::uint32_t alignment,
                                      std::size_t file_bytes, bool has_tensors) {
  const std::size_t start = (table_end + alignment - 1) / alignment * alignment;
  if (start <= file_bytes) return start;
  return has_tensors ? std::nullopt : std::optional(file_bytes);
}

}  // namespace

bool is_gguf(std::span<const std::byte> file) {
  return file.size() >= kMagic.size() &&
         std::string_view(reinterpret_cast<const char*>(file.data()), kMagic.size()) == kMagic;
}

Result<GgufHeader> read_gguf(std::span<const std::byte> file, const GgufBounds& bounds) {
  if (!is_gguf(file)) return wrong("does not start with GGUF");
  ByteCursor cursor(file.first(std::min(file.size(), bounds.header_bytes)));
  cursor.take(kMagic.size());
  GgufHeader header{.version = cursor.take<std::uint32_t>(), .metadata = {}, .tensors = {}};
  if (cursor.good()) {
    if (auto error = check_version(header.version)) return *std::move(error);
  }
  const auto tensors = cursor.take<std::uint64_t>();
  const auto keys = cursor.take<std::uint64_t>();
  if (!cursor.good()) return wrong(fmt::format("only {} bytes long", file.size()));
  if (tensors > bounds.tensors) return wrong(fmt::format("{} tensors are said to follow", tensors));
  auto metadata = read_gguf_metadata(cursor, keys, bounds);
  if (!metadata) return metadata.take_error();
  header.metadata = *std::move(metadata);
  const auto alignment = alignment_of(header.metadata);
  if (!alignment) return Error{alignment.error()};
  header.alignment = *alignment;

  auto entries = read_entries(cursor, tensors);
  if (!entries) return entries.take_error();
  const auto data = data_start(cursor.at(), header.alignment, file.size(), !entries->empty());
  if (!data) return wrong("ends before the tensors' data");
  if (auto error = place(*entries, header.alignment, *data, file.size())) return *std::move(error);
  for (Entry& entry : *entries) header.tensors.push_back(std::move(entry.tensor));
  return header;
}

}  // namespace refute::tensor
