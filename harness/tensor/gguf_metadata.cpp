#include "harness/tensor/gguf_metadata.hpp"

#include <array>
#include <type_traits>
#include <unordered_set>
#include <utility>

#include <fmt/core.h>

#include "harness/tensor/text.hpp"

namespace refute::tensor {
namespace {

constexpr std::size_t kKeyBytes = 65535;  // the format's own limit

/// Bytes of one value of each type; 0: it says its own length.
constexpr std::array<std::uint8_t, 13> kWidths = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

Error wrong(std::string what) {
  return {std::move(what), "the file is damaged or not GGUF; fetch it again"};
}

Error cut_short(std::string_view key) {
  return wrong(
      fmt::format("the value of key '{}' reaches past the end of the file", printable(key)));
}

std::optional<MetaType> as_meta_type(std::uint32_t number) {
  if (number >= kWidths.size()) return std::nullopt;
  return static_cast<MetaType>(number);
}

/// A flag is one byte, 0 or 1; anything else read as bool would be undefined.
bool are_flags(std::span<const std::byte> bytes) {
  for (const std::byte b : bytes) {
    if (std::to_integer<unsigned>(b) > 1) return false;
  }
  return true;
}

/// Goes over the items of an array; what it passed is well-formed.
std::optional<Error> skip_items(ByteCursor& cursor, std::string_view key, MetaType element,
                                std::uint64_t count, int depth_left) {
  const std::size_t width = kWidths[static_cast<std::size_t>(element)];
  if (width != 0) {
    if (count > cursor.left() / width) return cut_short(key);
    const auto bytes = cursor.take(count * width);
    if (element == MetaType::boolean && !are_flags(bytes))
      return wrong(fmt::format("key '{}': a bool that is neither 0 nor 1", printable(key)));
    return std::nullopt;
  }
  if (element == MetaType::array && depth_left == 0)
    return wrong(fmt::format("key '{}': arrays are nested too deeply", printable(key)));
  for (std::uint64_t i = 0; i < count; ++i) {
    if (element == MetaType::string) {
      cursor.take_text(cursor.take<std::uint64_t>());
    } else {
      const auto inner = as_meta_type(cursor.take<std::uint32_t>());
      const auto inner_count = cursor.take<std::uint64_t>();
      if (!cursor.good()) return cut_short(key);
      if (!inner) return wrong(fmt::format("key '{}': unknown type in an array", printable(key)));
      if (auto error = skip_items(cursor, key, *inner, inner_count, depth_left - 1)) return error;
    }
    if (!cursor.good()) return cut_short(key);
  }
  return std::nullopt;
}

Result<MetaArray> read_array(ByteCursor& cursor, std::string_view key, int depth) {
  const auto number = cursor.take<std::uint32_t>();
  const auto element = as_meta_type(number);
  MetaArray array{.count = cursor.take<std::uint64_t>(), .encoded = {}};
  if (!cursor.good()) return cut_short(key);
  if (!element) return wrong(fmt::format("key '{}': unknown type {}", printable(key), number));
  array.element = *element;
  const std::size_t begin = cursor.at();
  if (auto error = skip_items(cursor, key, *element, array.count, depth)) return *std::move(error);
  array.encoded = cursor.since(begin);
  return array;
}

/// Widens a number to what MetaValue holds.
template <class Stored, class Held>
void take_number(ByteCursor& cursor, MetaValue& value) {
  value.value = static_cast<Held>(cursor.take<Stored>());
}

Result<MetaValue> read_value(ByteCursor& cursor, std::string_view key, MetaType type, int depth) {
  MetaValue value{.type = type, .value = {}};
  switch (type) {
    case MetaType::u8:
      take_number<std::uint8_t, std::uint64_t>(cursor, value);
      break;
    case MetaType::i8:
      take_number<std::int8_t, std::int64_t>(cursor, value);
      break;
    case MetaType::u16:
      take_number<std::uint16_t, std::uint64_t>(cursor, value);
      break;
    case MetaType::i16:
      take_number<std::int16_t, std::int64_t>(cursor, value);
      break;
    case MetaType::u32:
      take_number<std::uint32_t, std::uint64_t>(cursor, value);
      break;
    case MetaType::i32:
      take_number<std::int32_t, std::int64_t>(cursor, value);
      break;
    case MetaType::u64:
      take_number<std::uint64_t, std::uint64_t>(cursor, value);
      break;
    case MetaType::i64:
      take_number<std::int64_t, std::int64_t>(cursor, value);
      break;
    case MetaType::f32:
      value.value = cursor.take<float>();
      break;
    case MetaType::f64:
      value.value = cursor.take<double>();
      break;
    case MetaType::boolean: {
      const auto flag = cursor.take<std::uint8_t>();
      if (flag > 1)
        return wrong(fmt::format("key '{}': a bool that is neither 0 nor 1", printable(key)));
      value.value = flag == 1;
      break;
    }
    case MetaType::string:
      value.value = std::string(cursor.take_text(cursor.take<std::uint64_t>()));
      break;
    case MetaType::array: {
      auto array = read_array(cursor, key, depth);
      if (!array) return array.take_error();
      value.value = *std::move(array);
      break;
    }
  }
  if (!cursor.good()) return cut_short(key);
  return value;
}

Result<std::string> read_key(ByteCursor& cursor, std::uint64_t index) {
  const auto length = cursor.take<std::uint64_t>();
  if (length > kKeyBytes)
    return wrong(fmt::format("key {} is said to be {} bytes long", index, length));
  std::string key(cursor.take_text(length));
  if (!cursor.good()) return wrong(fmt::format("key {} reaches past the end of the file", index));
  if (key.empty() || !is_utf8(key))
    return wrong(fmt::format("key {} ('{}') is empty or not UTF-8", index, printable(key)));
  return key;
}

void append_bytes(std::string& to, const void* bytes, std::size_t count) {
  to.append(static_cast<const char*>(bytes), count);
}

}  // namespace

Result<Metadata> read_gguf_metadata(ByteCursor& cursor, std::uint64_t count,
                                    const GgufBounds& bounds) {
  if (count > bounds.keys) return wrong(fmt::format("{} keys are said to follow", count));
  Metadata metadata;
  std::unordered_set<std::string> seen;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto key = read_key(cursor, i);
    if (!key) return key.take_error();
    const auto number = cursor.take<std::uint32_t>();
    if (!cursor.good()) return cut_short(*key);
    const auto type = as_meta_type(number);
    if (!type) return wrong(fmt::format("key '{}': unknown type {}", printable(*key), number));
    if (!seen.insert(*key).second)
      return wrong(fmt::format("key '{}' occurs twice", printable(*key)));
    auto value = read_value(cursor, *key, *type, bounds.array_depth);
    if (!value) return value.take_error();
    metadata.emplace_back(*std::move(key), *std::move(value));
  }
  return metadata;
}

void append_gguf_value(std::string& to, const MetaValue& value) {
  std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::string>) {
          const std::uint64_t length = held.size();
          append_bytes(to, &length, 8);
          to += held;
        } else if constexpr (std::is_same_v<Held, MetaArray>) {
          const auto element = static_cast<std::uint32_t>(held.element);
          append_bytes(to, &element, 4);
          append_bytes(to, &held.count, 8);
          to += held.encoded;
        } else {
          // Narrow types are the low bytes of the wide ones, two's complement included.
          append_bytes(to, &held, kWidths[static_cast<std::size_t>(value.type)]);
        }
      },
      value.value);
}

}  // namespace refute::tensor
