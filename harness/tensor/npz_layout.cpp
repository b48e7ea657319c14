#include "harness/tensor/npz_layout.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string_view>
#include <unordered_set>

#include <fmt/core.h>

#include "harness/tensor/crc32.hpp"
#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

constexpr std::uint32_t kFull32 = 0xFFFFFFFFu;  // "look in the zip64 field"
constexpr std::uint16_t kFull16 = 0xFFFFu;
constexpr std::uint16_t kUtf8Names = 1u << 11;
constexpr std::uint16_t kNewYear1980 = 1u << 5 | 1;  // the earliest date; files carry no clock
constexpr std::size_t kLocalHeader = 30, kCentralHeader = 46;
constexpr std::size_t kZip64End = 56, kZip64Locator = 20, kEnd = 22;

template <class T>
void append(std::string& to, std::uint64_t number) {
  const auto narrow = static_cast<T>(number);
  to.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
}

void append16(std::string& to, std::uint64_t number) {
  append<std::uint16_t>(to, number);
}
void append32(std::string& to, std::uint64_t number) {
  append<std::uint32_t>(to, number);
}
void append64(std::string& to, std::uint64_t number) {
  append<std::uint64_t>(to, number);
}

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::optional<std::string_view> numpy_type(const TensorType& type) {
  const auto* plain = std::get_if<DType>(&type);
  if (plain == nullptr) return std::nullopt;
  switch (*plain) {
    case DType::boolean:
      return "|b1";
    case DType::u8:
      return "|u1";
    case DType::i8:
      return "|i1";
    case DType::u16:
      return "<u2";
    case DType::i16:
      return "<i2";
    case DType::f16:
      return "<f2";
    case DType::u32:
      return "<u4";
    case DType::i32:
      return "<i4";
    case DType::f32:
      return "<f4";
    case DType::u64:
      return "<u8";
    case DType::i64:
      return "<i8";
    case DType::f64:
      return "<f8";
    case DType::bf16:
    case DType::f8_e4m3:
    case DType::f8_e5m2:
      return std::nullopt;
  }
  return std::nullopt;
}

/// As Python writes a tuple: "()", "(3,)", "(3, 4)".
std::string tuple(const std::vector<std::size_t>& shape) {
  std::string text = "(";
  for (const std::size_t extent : shape) text += fmt::format("{}, ", extent);
  if (shape.size() == 1) return text.substr(0, text.size() - 1) + ")";
  if (!shape.empty()) text.resize(text.size() - 2);
  return text + ")";
}

Error cannot(const std::string& name, const std::string& what) {
  return {fmt::format("tensor '{}': {}", printable(name), what), ""};
}

bool stays_inside(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.find('\\') != name.npos ||
      name.find('\0') != name.npos)
    return false;
  return std::ranges::none_of(std::filesystem::path(name),
                              [](const auto& part) { return part == ".."; });
}

std::size_t entry_bytes(const NpzLayout::Member& m) {
  return m.npy.size() + m.bytes;
}

/// The sizes go twice into the 20 bytes of a zip64 field.
bool needs_zip64_sizes(const NpzLayout::Member& m) {
  return entry_bytes(m) >= kFull32;
}
std::size_t local_extra(const NpzLayout::Member& m) {
  return needs_zip64_sizes(m) ? 20 : 0;
}
std::size_t central_extra(const NpzLayout::Member& m) {
  const std::size_t fields = (needs_zip64_sizes(m) ? 16 : 0) + (m.begin >= kFull32 ? 8 : 0);
  return fields == 0 ? 0 : fields + 4;
}

std::uint16_t version_needed(const NpzLayout::Member& m) {
  return central_extra(m) != 0 ? 45 : 20;
}

/// From the version to the extra field's length: what both headers have.
void append_common(std::string& to, const NpzLayout::Member& m, std::uint32_t crc,
                   std::size_t extra) {
  const std::uint64_t size = needs_zip64_sizes(m) ? kFull32 : entry_bytes(m);
  append16(to, version_needed(m));
  append16(to, kUtf8Names);
  append16(to, 0);  // stored
  append16(to, 0);  // midnight
  append16(to, kNewYear1980);
  append32(to, crc);
  append32(to, size);
  append32(to, size);
  append16(to, m.name.size());
  append16(to, extra);
}

std::string local_header(const NpzLayout::Member& m, std::uint32_t crc) {
  std::string header = "PK\3\4";
  append_common(header, m, crc, local_extra(m));
  header += m.name;
  if (needs_zip64_sizes(m)) {
    append16(header, 1);
    append16(header, 16);
    append64(header, entry_bytes(m));
    append64(header, entry_bytes(m));
  }
  return header + m.npy;
}

void append_central_header(std::string& to, const NpzLayout::Member& m, std::uint32_t crc) {
  const std::size_t extra = central_extra(m);
  to += "PK\1\2";
  append16(to, 45);
  append_common(to, m, crc, extra);
  append16(to, 0);  // comment
  append16(to, 0);  // disk
  append16(to, 0);  // internal attributes
  append32(to, 0);  // external attributes
  append32(to, std::min<std::uint64_t>(m.begin, kFull32));
  to += m.name;
  if (extra == 0) return;
  append16(to, 1);
  append16(to, extra - 4);
  if (needs_zip64_sizes(m)) {
    append64(to, entry_bytes(m));
    append64(to, entry_bytes(m));
  }
  if (m.begin >= kFull32) append64(to, m.begin);
}

bool needs_zip64_end(std::size_t members, std::size_t directory, std::size_t directory_bytes) {
  return members >= kFull16 || directory >= kFull32 || directory_bytes >= kFull32;
}

std::string end_records(std::size_t members, std::size_t directory, std::size_t bytes) {
  std::string end;
  if (needs_zip64_end(members, directory, bytes)) {
    end += "PK\6\6";
    append64(end, kZip64End - 12);
    append16(end, 45);
    append16(end, 45);
    append32(end, 0);
    append32(end, 0);
    append64(end, members);
    append64(end, members);
    append64(end, bytes);
    append64(end, directory);
    end += "PK\6\7";
    append32(end, 0);
    append64(end, directory + bytes);
    append32(end, 1);
  }
  end += "PK\5\6";
  append32(end, 0);
  append16(end, std::min<std::size_t>(members, kFull16));
  append16(end, std::min<std::size_t>(members, kFull16));
  append32(end, std::min<std::size_t>(bytes, kFull32));
  append32(end, std::min<std::size_t>(directory, kFull32));
  append16(end, 0);
  return end;
}

}  // namespace

Result<std::string> npy_header(const StoredTensor& tensor) {
  const auto type = numpy_type(tensor.type);
  if (!type)
    return cannot(tensor.name, fmt::format("numpy has no type {}; choose --dtype f32 or f16, or a "
                                           "safetensors file",
                                           to_string(tensor.type)));
  std::string dictionary = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                       *type, tuple(tensor.shape));
  const bool is_long = dictionary.size() + 64 > kFull16;
  const std::size_t before = is_long ? 12 : 10;
  // The data starts at a multiple of 64; a newline ends the header.
  while ((before + dictionary.size() + 1) % 64 != 0) dictionary += ' ';
  dictionary += '\n';
  std::string header = "\x93NUMPY";
  header += is_long ? '\2' : '\1';
  header += '\0';
  is_long ? append32(header, dictionary.size()) : append16(header, dictionary.size());
  return header + dictionary;
}

Result<NpzLayout> lay_out_npz(const std::vector<StoredTensor>& tensors) {
  NpzLayout layout;
  std::unordered_set<std::string_view> seen;
  std::size_t directory_bytes = 0;
  for (const StoredTensor& tensor : tensors) {
    if (!seen.insert(tensor.name).second)
      return cannot(tensor.name, "the file would have it twice");
    if (!stays_inside(tensor.name) || tensor.name.size() > 0xFF00)
      return cannot(tensor.name, "is no name for a file inside a zip");
    auto npy = npy_header(tensor);
    if (!npy) return npy.take_error();
    NpzLayout::Member m{.name = tensor.name + ".npy",
                        .npy = *std::move(npy),
                        .begin = layout.directory,
                        .bytes = tensor.bytes};
    m.offset = m.begin + kLocalHeader + m.name.size() + local_extra(m) + m.npy.size();
    layout.directory = m.offset + m.bytes;
    directory_bytes += kCentralHeader + m.name.size() + central_extra(m);
    layout.members.push_back(std::move(m));
  }
  const bool zip64 = needs_zip64_end(tensors.size(), layout.directory, directory_bytes);
  layout.size = layout.directory + directory_bytes + (zip64 ? kZip64End + kZip64Locator : 0) + kEnd;
  return layout;
}

std::vector<std::pair<std::size_t, std::string>> npz_frame(const NpzLayout& layout,
                                                           std::span<const std::uint32_t> crcs) {
  std::vector<std::pair<std::size_t, std::string>> frame;
  std::string directory;
  for (std::size_t i = 0; i < layout.members.size(); ++i) {
    const NpzLayout::Member& m = layout.members[i];
    const std::uint32_t crc = crc32_joined(crc32(as_bytes(m.npy)), crcs[i], m.bytes);
    frame.emplace_back(m.begin, local_header(m, crc));
    append_central_header(directory, m, crc);
  }
  directory += end_records(layout.members.size(), layout.directory, directory.size());
  frame.emplace_back(layout.directory, std::move(directory));
  return frame;
}

}  // namespace refute::tensor
