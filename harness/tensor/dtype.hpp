#pragma once

// What one element of a stored tensor is, by the names that safetensors uses.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace refute::tensor {

enum class DType : std::uint8_t {
  boolean,
  u8,
  i8,
  f8_e4m3,
  f8_e5m2,
  u16,
  i16,
  f16,
  bf16,
  u32,
  i32,
  f32,
  u64,
  i64,
  f64,
};

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::size_t bytes;  ///< of one element
};

constexpr std::array<DTypeRow, 15> kDTypes = {{
    {DType::boolean, "BOOL", 1},
    {DType::u8, "U8", 1},
    {DType::i8, "I8", 1},
    {DType::f8_e4m3, "F8_E4M3", 1},
    {DType::f8_e5m2, "F8_E5M2", 1},
    {DType::u16, "U16", 2},
    {DType::i16, "I16", 2},
    {DType::f16, "F16", 2},
    {DType::bf16, "BF16", 2},
    {DType::u32, "U32", 4},
    {DType::i32, "I32", 4},
    {DType::f32, "F32", 4},
    {DType::u64, "U64", 8},
    {DType::i64, "I64", 8},
    {DType::f64, "F64", 8},
}};

constexpr std::string_view to_string(DType d) {
  return kDTypes[static_cast<std::size_t>(d)].name;
}
constexpr std::size_t bytes_of(DType d) {
  return kDTypes[static_cast<std::size_t>(d)].bytes;
}

constexpr std::optional<DType> dtype_from(std::string_view name) {
  for (const DTypeRow& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

}  // namespace refute::tensor
