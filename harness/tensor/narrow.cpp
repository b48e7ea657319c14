#include "harness/tensor/narrow.hpp"

#include <bit>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/ggml.hpp"

namespace refute::tensor {
namespace {

/// One value alone goes through the same kernel as all the finite ones.
std::uint16_t rounded(float value, kernels::GgmlFormat format) {
  std::uint16_t bits = 0;
  std::uint8_t bytes[2];
  const auto done = kernels::cpu_scalar::ggml_quantize(format, {&value, 1}, bytes);
  assert(done.status == kernels::GgmlStatus::ok);
  (void)done;
  std::memcpy(&bits, bytes, 2);
  return bits;
}

std::uint16_t infinite_or_nan(float value, bool bf16) {
  const auto wide = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(wide >> 16 & 0x8000u);
  const std::uint16_t infinity = bf16 ? 0x7F80 : 0x7C00, quiet = bf16 ? 0x0040 : 0x0200;
  return static_cast<std::uint16_t>(sign | infinity | (std::isnan(value) ? quiet : 0));
}

bool is_infinite(std::uint16_t bits, bool bf16) {
  return (bits & 0x7FFFu) == (bf16 ? 0x7F80u : 0x7C00u);
}

}  // namespace

std::optional<std::size_t> narrow(std::span<const float> in, DType type, std::span<std::byte> out) {
  assert(out.size() == in.size() * bytes_of(type));
  if (in.empty()) return std::nullopt;
  if (type == DType::f32) {
    std::memcpy(out.data(), in.data(), out.size());
    return std::nullopt;
  }
  const bool bf16 = type == DType::bf16;
  const auto format = bf16 ? kernels::GgmlFormat::bf16 : kernels::GgmlFormat::f16;
  const std::span<std::uint8_t> bytes(reinterpret_cast<std::uint8_t*>(out.data()), out.size());
  const bool all_finite =
      kernels::cpu_simd::ggml_quantize(format, in, bytes).status == kernels::GgmlStatus::ok;
  std::optional<std::size_t> overflow;
  for (std::size_t i = 0; i < in.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, out.data() + 2 * i, 2);
    if (!all_finite) {
      bits = std::isfinite(in[i]) ? rounded(in[i], format) : infinite_or_nan(in[i], bf16);
      std::memcpy(out.data() + 2 * i, &bits, 2);
    }
    if (!overflow && is_infinite(bits, bf16) && std::isfinite(in[i])) overflow = i;
  }
  return overflow;
}

}  // namespace refute::tensor
