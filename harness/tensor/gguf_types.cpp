#include "harness/tensor/gguf_types.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

namespace refute::tensor {
namespace {

constexpr std::pair<DType, std::uint32_t> kPlain[] = {
    {DType::f32, 0},  {DType::f16, 1},  {DType::i8, 24},  {DType::i16, 25},
    {DType::i32, 26}, {DType::i64, 27}, {DType::f64, 28}, {DType::bf16, 30},
};

constexpr std::string_view kNameless = "ggml type ";

/// Turns a name from gguf_tensor_type back into its number.
std::optional<std::uint32_t> id_of_foreign(std::string_view name) {
  const auto row = std::ranges::find(kGgufTypes, name, &GgufTypeRow::name);
  if (row != kGgufTypes.end()) return row->id;
  if (!name.starts_with(kNameless)) return std::nullopt;
  std::uint32_t id = 0;
  const std::string_view digits = name.substr(kNameless.size());
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return id;
}

}  // namespace

const GgufTypeRow* gguf_type_row(std::uint32_t id) {
  const auto row = std::ranges::find(kGgufTypes, id, &GgufTypeRow::id);
  return row == kGgufTypes.end() ? nullptr : &*row;
}

TensorType gguf_tensor_type(std::uint32_t id) {
  for (const auto& [dtype, number] : kPlain) {
    if (number == id) return dtype;
  }
  if (const auto format = kernels::ggml_format_of_type(id)) return *format;
  const GgufTypeRow* row = gguf_type_row(id);
  if (row != nullptr) return UnknownType{std::string(row->name)};
  return UnknownType{"ggml type " + std::to_string(id)};
}

std::optional<std::uint32_t> gguf_type_id(const TensorType& type) {
  if (const auto* format = std::get_if<kernels::GgmlFormat>(&type))
    return kernels::ggml_info(*format).type_id;
  if (const auto* unknown = std::get_if<UnknownType>(&type)) return id_of_foreign(unknown->name);
  const auto* plain = std::get_if<DType>(&type);
  if (plain == nullptr) return std::nullopt;
  for (const auto& [dtype, number] : kPlain) {
    if (dtype == *plain) return number;
  }
  return std::nullopt;
}

}  // namespace refute::tensor
