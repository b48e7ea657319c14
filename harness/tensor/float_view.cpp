#include "harness/tensor/float_view.hpp"

#include <bit>
#include <cstring>
#include <utility>

static_assert(std::endian::native == std::endian::little,
              "tensors are stored and read in little-endian order");

namespace refute::tensor {
namespace {

float widen_bf16(std::uint16_t brain) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(brain) << 16);
}

float widen_f16(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = half & 0x7FFFu;
  if (magnitude >= 0x7C00u)
    return std::bit_cast<float>(sign | 0x7F800000u | (magnitude & 0x3FFu) << 13);
  if (magnitude >= 0x0400u) return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
  const float count = static_cast<float>(magnitude) *
                      0x1p-24f;  // a subnormal is an integer count, and a normal f32
  return sign != 0 ? -count : count;
}

template <class Widen>
std::vector<float> widened(std::span<const std::byte> bytes, Widen widen) {
  std::vector<float> values(bytes.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t element;
    std::memcpy(&element, bytes.data() + 2 * i, 2);
    values[i] = widen(element);
  }
  return values;
}

FloatView f32_in_place_or_copied(std::span<const std::byte> bytes) {
  const std::size_t count = bytes.size() / 4;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(float) == 0) {
    return FloatView(std::span(reinterpret_cast<const float*>(bytes.data()), count));
  }
  std::vector<float> copy(count);
  if (count != 0) std::memcpy(copy.data(), bytes.data(), count * 4);
  return FloatView(std::move(copy));
}

}  // namespace

std::optional<FloatView> as_floats(std::span<const std::byte> bytes, DType dtype) {
  if (dtype == DType::f32) return f32_in_place_or_copied(bytes);
  if (dtype == DType::bf16) return FloatView(widened(bytes, widen_bf16));
  if (dtype == DType::f16) return FloatView(widened(bytes, widen_f16));
  return std::nullopt;
}

}  // namespace refute::tensor
