#include "harness/instruments/quant_diff_copy.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "harness/instruments/quant_diff_pass.hpp"
#include "kernels/ggml.hpp"

namespace refute::instruments {
namespace {

using tensor::DType;
using tensor::ModelTensor;

// Holds every 64-bit integer and every double.
using Exact = long double;
static_assert(std::numeric_limits<Exact>::digits >= 64);

/// Smallest piece that bytes are compared by.
struct Unit {
  std::size_t values, bytes;
};

Unit unit_of(const tensor::TensorType& type) {
  if (const auto* dtype = std::get_if<DType>(&type)) return {1, tensor::bytes_of(*dtype)};
  if (const auto* format = std::get_if<kernels::GgmlFormat>(&type)) {
    const auto& info = kernels::ggml_info(*format);
    return {info.block_size, info.block_bytes};
  }
  if (std::holds_alternative<tensor::GroupedNf4>(type)) return {2, 1};
  return {1, 1};
}

template <class T>
Exact as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<Exact>(value);
}

std::optional<Exact> exact_value(const ModelTensor& t, DType type, std::size_t index) {
  const std::byte* at = t.bytes.data() + index * tensor::bytes_of(type);
  switch (type) {
    case DType::boolean:
    case DType::u8:
      return as<std::uint8_t>(at);
    case DType::i8:
      return as<std::int8_t>(at);
    case DType::u16:
      return as<std::uint16_t>(at);
    case DType::i16:
      return as<std::int16_t>(at);
    case DType::u32:
      return as<std::uint32_t>(at);
    case DType::i32:
      return as<std::int32_t>(at);
    case DType::u64:
      return as<std::uint64_t>(at);
    case DType::i64:
      return as<std::int64_t>(at);
    case DType::f32:
      return as<float>(at);
    case DType::f64:
      return as<double>(at);
    case DType::f8_e4m3:
    case DType::f8_e5m2:
    case DType::f16:
    case DType::bf16:
      return std::nullopt;
  }
  return std::nullopt;
}

bool whole(DType type) {
  return !tensor::is_floating(tensor::TensorType(type));
}

bool wide_float(DType type) {
  return type == DType::f32 || type == DType::f64;
}

void note(Changed& changed, std::size_t index) {
  if (changed.count++ == 0) changed.first = index;
}

Changed changed_bytes(const ModelTensor& a, const ModelTensor& b, std::size_t first,
                      std::size_t count) {
  const Unit unit = unit_of(a.type);
  const bool nibbles = unit.values == 2 && unit.bytes == 1;
  const std::size_t begin = first / unit.values * unit.bytes;
  const std::size_t length = (count + unit.values - 1) / unit.values * unit.bytes;
  const std::byte *x = a.bytes.data() + begin, *y = b.bytes.data() + begin;
  Changed changed;
  if (std::memcmp(x, y, length) == 0) return changed;
  for (std::size_t at = 0; at < length; at += unit.bytes) {
    if (std::memcmp(x + at, y + at, unit.bytes) == 0) continue;
    const std::size_t index = first + at / unit.bytes * unit.values;
    const auto other = static_cast<unsigned>(x[at] ^ y[at]);
    // NF4 stores the earlier value in the high half.
    if (!nibbles || (other & 0xF0u) != 0) note(changed, index);
    if (nibbles && (other & 0x0Fu) != 0) note(changed, index + 1);
  }
  return changed;
}

}  // namespace

void Changed::add(const Changed& later) {
  if (count == 0) first = later.first;
  count += later.count;
}

bool same_storage(const TensorPair& pair) {
  return pair.other && !pair.adjust_reference.any() && !pair.adjust_other.any() &&
         pair.reference->type == pair.other->type && tensor::has_values(pair.other->type) &&
         pair.reference->bytes.size() == pair.other->bytes.size();
}

std::optional<Changed> stored_changes(const TensorPair& pair, std::size_t first,
                                      std::size_t count) {
  if (same_storage(pair)) return changed_bytes(*pair.reference, *pair.other, first, count);
  if (!pair.other || pair.adjust_reference.any() || pair.adjust_other.any()) return std::nullopt;
  const auto* a = std::get_if<DType>(&pair.reference->type);
  const auto* b = std::get_if<DType>(&pair.other->type);
  if (!a || !b || !((whole(*a) && whole(*b)) || (wide_float(*a) && wide_float(*b))))
    return std::nullopt;
  const bool rounded = *b == DType::f32;
  Changed changed;
  for (std::size_t i = first; i < first + count; ++i) {
    const Exact x = *exact_value(*pair.reference, *a, i), y = *exact_value(*pair.other, *b, i);
    const bool equal = rounded && wide_float(*a)
                           ? static_cast<float>(static_cast<double>(x)) == static_cast<float>(y)
                           : x == y;
    if (!equal) note(changed, i);
  }
  return changed;
}

std::optional<std::size_t> first_other_scale(const ModelTensor& a, const ModelTensor& b) {
  const auto differ = [](const tensor::Companion& x,
                         const tensor::Companion& y) -> std::optional<std::size_t> {
    if (x.type != y.type || x.bytes.size() != y.bytes.size()) return 0;
    const auto at = std::ranges::mismatch(x.bytes, y.bytes).in1;
    if (at == x.bytes.end()) return std::nullopt;
    return static_cast<std::size_t>(at - x.bytes.begin()) / tensor::bytes_of(x.type);
  };
  if (auto at = differ(a.scales, b.scales)) return at;
  if (a.codebook != b.codebook || !a.nested != !b.nested) return 0;
  if (!a.nested) return std::nullopt;
  const tensor::NestedScales &m = *a.nested, &n = *b.nested;
  if (m.map != n.map || m.block != n.block || m.offset != n.offset) return 0;
  if (auto at = differ(m.absmax, n.absmax)) return *at * m.block;
  return std::nullopt;
}

}  // namespace refute::instruments
