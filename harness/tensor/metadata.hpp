#pragma once

// What a model file says of itself besides its tensors: GGUF's typed key/value pairs, and the texts
// of safetensors' __metadata__.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace refute::tensor {

/// GGUF's value types, with the numbers that the format gives them.
enum class MetaType : std::uint8_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

/// As GGUF stores it, little-endian and without type and count: a vocabulary of 250,000 words costs
/// its bytes and no more. Checked when it was read, nested arrays too.
struct MetaArray {
  MetaType element = MetaType::u8;
  std::uint64_t count = 0;
  std::string encoded;
  bool operator==(const MetaArray&) const = default;
};

/// Unsigned types are held as uint64, signed ones as int64; floats keep their width, so that a NaN
/// keeps its bits.
struct MetaValue {
  MetaType type = MetaType::string;
  std::variant<std::uint64_t, std::int64_t, float, double, bool, std::string, MetaArray> value =
      std::string();
  bool operator==(const MetaValue&) const = default;
};

/// In the file's order; keys are unique.
using Metadata = std::vector<std::pair<std::string, MetaValue>>;

/// Null when the key is not there. Linear: a file has tens of keys.
const MetaValue* find(const Metadata& metadata, std::string_view key);

}  // namespace refute::tensor
