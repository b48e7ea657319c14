// FP8 one value at a time, by bit arithmetic on the IEEE encodings. Section and table numbers refer
// to the Open Compute Project's "OCP 8-bit Floating Point Specification (OFP8)", revision 1.0,
// 2023.

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

#include "kernels/cpu/fp8_shape.hpp"
#include "kernels/fp8.hpp"

namespace refute::kernels::cpu_scalar {
namespace {

/// A format as its table lays it out (table 1: bias, mantissa bits; table 2: the largest finite
/// code).
struct Encoding {
  int bias, mantissa_bits;
  std::uint32_t max_finite_code;
  std::uint32_t nan_code = 0x7F;
  std::uint32_t first_nan;  ///< codes from here on, sign aside, are NaN
  std::uint32_t
      overflow_code;  ///< what nonsat writes above the range: NaN for E4M3, infinity for E5M2
};

constexpr Encoding encoding(Fp8Format format) {
  return format == Fp8Format::e4m3 ? Encoding{.bias = 7,
                                              .mantissa_bits = 3,
                                              .max_finite_code = 0x7E,
                                              .first_nan = 0x7F,
                                              .overflow_code = 0x7F}
                                   : Encoding{.bias = 15,
                                              .mantissa_bits = 2,
                                              .max_finite_code = 0x7B,
                                              .first_nan = 0x7D,
                                              .overflow_code = 0x7C};
}

/// significand / 2^dropped, rounded to the nearest integer. dropped is in 1 … 31.
constexpr std::uint32_t round_off(std::uint32_t significand, int dropped, Fp8Rounding rounding) {
  const std::uint32_t kept = significand >> dropped;
  const std::uint32_t rest = significand & ((1u << dropped) - 1);
  const std::uint32_t half = 1u << (dropped - 1);
  const bool tie_goes_up = rounding == Fp8Rounding::ties_even && (kept & 1u) != 0;
  return kept + (rest > half || (rest == half && tie_goes_up) ? 1u : 0u);
}

/// The code of a finite magnitude as if exponents went on for ever. Because the exponent field
/// stands left of the mantissa, a carry out of the rounded mantissa steps into the next binade by
/// itself, and out of the subnormals into the first normal.
constexpr std::uint32_t encode_magnitude(std::uint32_t f32_magnitude, const Encoding& to,
                                         Fp8Rounding rounding) {
  const int exponent = static_cast<int>(f32_magnitude >> 23) - 127;
  const int least_normal = 1 - to.bias;
  const int dropped = 23 - to.mantissa_bits;
  if (exponent >= least_normal) {
    const auto rebias = static_cast<std::uint32_t>(127 - to.bias) << 23;
    return round_off(f32_magnitude - rebias, dropped, rounding);
  }
  // Subnormal: an integer count of 2^(1 - bias - mantissa_bits). From 25 dropped bits on less than
  // a half is left.
  const int dropped_below = dropped + (least_normal - exponent);
  if (dropped_below > 24) return 0;
  return round_off((f32_magnitude & 0x7FFFFFu) | 0x800000u, dropped_below, rounding);
}

constexpr std::uint8_t encode_one(std::uint32_t f32_bits, Fp8Mode mode) {
  const Encoding to = encoding(mode.format);
  const std::uint32_t sign = f32_bits >> 31 << 7;
  const std::uint32_t magnitude = f32_bits & 0x7FFFFFFFu;
  const bool saturate = mode.overflow == Fp8Overflow::satfinite;
  if (magnitude > 0x7F800000u) return static_cast<std::uint8_t>(sign | to.nan_code);
  const std::uint32_t code =
      magnitude == 0x7F800000u ? to.overflow_code : encode_magnitude(magnitude, to, mode.rounding);
  const std::uint32_t above = saturate ? to.max_finite_code : to.overflow_code;
  return static_cast<std::uint8_t>(sign | (code > to.max_finite_code ? above : code));
}

/// IEEE binary16 widened to binary32; a NaN stays a NaN.
constexpr std::uint32_t widen_f16(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half >> 15) << 31;
  const std::uint32_t exponent = half >> 10 & 0x1Fu;
  const std::uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0x1Fu) return sign | 0x7F800000u | mantissa << 13;
  if (exponent != 0) return sign | (exponent + 112) << 23 | mantissa << 13;
  if (mantissa == 0) return sign;
  const int shift = std::countl_zero(mantissa) - 21;  // brings the leading one to bit 10
  const auto widened = static_cast<std::uint32_t>(113 - shift) << 23;
  return sign | widened | (mantissa << shift & 0x3FFu) << 13;
}

constexpr std::uint32_t decode_bits(std::uint8_t code, const Encoding& from) {
  const std::uint32_t sign = static_cast<std::uint32_t>(code & 0x80u) << 24;
  const std::uint32_t magnitude = code & 0x7Fu;
  if (magnitude >= from.first_nan) return sign | 0x7FC00000u;
  if (magnitude > from.max_finite_code) return sign | 0x7F800000u;
  const std::uint32_t mantissa = magnitude & ((1u << from.mantissa_bits) - 1);
  const std::uint32_t exponent = magnitude >> from.mantissa_bits;
  if (exponent != 0) {
    return sign | (exponent + 127 - from.bias) << 23 | mantissa << (23 - from.mantissa_bits);
  }
  if (mantissa == 0) return sign;
  const int leading =
      std::bit_width(mantissa) - 1;  // the value is mantissa · 2^(1 - bias - mantissa_bits)
  const auto f32_exponent =
      static_cast<std::uint32_t>(128 - from.bias - from.mantissa_bits + leading);
  return sign | f32_exponent << 23 | (mantissa << (23 - leading) & 0x7FFFFFu);
}

float group_scale(std::span<const float> group, float max_finite) {
  float absmax = 0.0f;
  for (const float x : group) absmax = std::max(absmax, std::fabs(x));
  if (absmax == 0.0f) return 1.0f;
  return std::max(absmax / max_finite, std::numeric_limits<float>::min());
}

}  // namespace

void fp8_encode(std::span<const float> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  assert(in.size() == out.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = encode_one(std::bit_cast<std::uint32_t>(in[i]), mode);
  }
}

void fp8_encode_f16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  assert(in.size() == out.size());
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = encode_one(widen_f16(in[i]), mode);
}

void fp8_encode_bf16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  assert(in.size() == out.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = encode_one(static_cast<std::uint32_t>(in[i]) << 16, mode);
  }
}

void fp8_decode(std::span<const std::uint8_t> in, std::span<float> out, Fp8Format format) {
  assert(in.size() == out.size());
  const Encoding from = encoding(format);
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = std::bit_cast<float>(decode_bits(in[i], from));
  }
}

Fp8QuantizeResult fp8_quantize(std::span<const float> w, Fp8Layout layout, Fp8Mode mode,
                               std::span<std::uint8_t> codes, std::span<float> scales) {
  if (!fp8_sizes_fit(layout, w.size(), codes.size(), scales.size())) {
    return {Fp8Status::size_mismatch};
  }
  for (std::size_t i = 0; i < w.size(); ++i) {
    if (!std::isfinite(w[i])) return {Fp8Status::non_finite, i};
  }
  const auto [count, length] = fp8_groups(layout);
  for (std::size_t g = 0; g < count; ++g) {
    const auto group = w.subspan(g * length, length);
    scales[g] = group_scale(group, fp8_max_finite(mode.format));
    for (std::size_t i = 0; i < length; ++i) {
      codes[g * length + i] = encode_one(std::bit_cast<std::uint32_t>(group[i] / scales[g]), mode);
    }
  }
  return {};
}

Fp8QuantizeResult fp8_dequantize(std::span<const std::uint8_t> codes, std::span<const float> scales,
                                 Fp8Layout layout, Fp8Format format, std::span<float> out) {
  if (!fp8_sizes_fit(layout, out.size(), codes.size(), scales.size())) {
    return {Fp8Status::size_mismatch};
  }
  const Encoding from = encoding(format);
  const auto [count, length] = fp8_groups(layout);
  for (std::size_t g = 0; g < count; ++g) {
    for (std::size_t i = g * length; i < (g + 1) * length; ++i) {
      out[i] = std::bit_cast<float>(decode_bits(codes[i], from)) * scales[g];
    }
  }
  return {};
}

}  // namespace refute::kernels::cpu_scalar
