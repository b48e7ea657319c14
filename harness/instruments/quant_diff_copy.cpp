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

/// Counts in vectors, by pieces, and looks for the place only in the first piece that differs.
template <class T>
Changed changed_elements(const std::byte* x, const std::byte* y, std::size_t n, std::size_t first) {
  constexpr std::size_t kPiece = 4096;
  const auto differ = [&](std::size_t i) {
    T a, b;
    std::memcpy(&a, x + i * sizeof(T), sizeof(T));
    std::memcpy(&b, y + i * sizeof(T), sizeof(T));
    return a != b;
  };
  Changed changed;
  for (std::size_t begin = 0; begin < n; begin += kPiece) {
    const std::size_t end = std::min(n, begin + kPiece);
    T count = 0;  // as wide as an element, so that vectors hold as many; 128 fit into a byte
    std::size_t total = 0;
    for (std::size_t row = begin; row < end; row += 128, count = 0) {
      const std::size_t stop = std::min(end, row + 128);
      for (std::size_t i = row; i < stop; ++i) count = static_cast<T>(count + (differ(i) ? 1 : 0));
      total += count;
    }
    if (total != 0 && changed.count == 0) {
      changed.first = begin;
      while (!differ(changed.first)) ++changed.first;
      changed.first += first;
    }
    changed.count += total;
  }
  return changed;
}

/// The same for blocks of any length, and for NF4's two values in a byte.
Changed changed_units(const std::byte* x, const std::byte* y, std::size_t length, Unit unit,
                      std::size_t first) {
  const bool nibbles = unit.values == 2 && unit.bytes == 1;
  Changed changed;
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

Changed changed_bytes(const ModelTensor& a, const ModelTensor& b, std::size_t first,
                      std::size_t count) {
  const Unit unit = unit_of(a.type);
  const std::size_t begin = first / unit.values * unit.bytes;
  const std::size_t length = (count + unit.values - 1) / unit.values * unit.bytes;
  const std::byte *x = a.bytes.data() + begin, *y = b.bytes.data() + begin;
  if (unit.values == 1 && unit.bytes == 1) {
    return changed_elements<std::uint8_t>(x, y, length, first);
  }
  if (unit.values == 1 && unit.bytes == 2) {
    return changed_elements<std::uint16_t>(x, y, length / 2, first);
  }
  if (unit.values == 1 && unit.bytes == 4) {
    return changed_elements<std::uint32_t>(x, y, length / 4, first);
  }
  if (unit.values == 1 && unit.bytes == 8) {
    return changed_elements<std::uint64_t>(x, y, length / 8, first);
  }
  if (std::memcmp(x, y, length) == 0) return {};
  return changed_units(x, y, length, unit, first);
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

std::size_t first_change(const TensorPair& pair, std::size_t first, std::size_t count) {
  const std::size_t size = unit_of(pair.reference->type).bytes;
  const auto x = pair.reference->bytes.subspan(first * size, count * size);
  const auto y = pair.other->bytes.subspan(first * size, count * size);
  return first + static_cast<std::size_t>(std::ranges::mismatch(x, y).in1 - x.begin()) / size;
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
