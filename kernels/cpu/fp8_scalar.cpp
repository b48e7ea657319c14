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

/// significand / 2^dropped, rounded to the nearest integer; dropped is in 1 … 31. Adding just under
/// a half carries exactly when more than a half is dropped; one unit more makes a tie carry too,
/// which to even is wanted when the kept part is odd.
template <Fp8Rounding kRounding>
constexpr std::uint32_t round_off(std::uint32_t significand, int dropped) {
  const std::uint32_t under_half = (1u << (dropped - 1)) - 1;
  const std::uint32_t odd = kRounding == Fp8Rounding::ties_even ? significand >> dropped & 1u : 0;
  return (significand + under_half + odd) >> dropped;
}

/// The code of a finite magnitude as if exponents went on for ever. Because the exponent field
/// stands left of the mantissa, a carry out of the rounded mantissa steps into the next binade by
/// itself, and out of the subnormals into the first normal.
template <Fp8Mode kMode>
constexpr std::uint32_t encode_magnitude(std::uint32_t f32_magnitude) {
  constexpr Encoding kTo = encoding(kMode.format);
  constexpr int kLeastNormal = 1 - kTo.bias;
  constexpr int kDropped = 23 - kTo.mantissa_bits;
  const int exponent = static_cast<int>(f32_magnitude >> 23) - 127;
  if (exponent >= kLeastNormal) {
    constexpr auto kRebias = static_cast<std::uint32_t>(127 - kTo.bias) << 23;
    return round_off<kMode.rounding>(f32_magnitude - kRebias, kDropped);
  }
  // Subnormal: an integer count of 2^(1 - bias - mantissa_bits). From 25 dropped bits on less than
  // a half is left.
  const int dropped = kDropped + (kLeastNormal - exponent);
  if (dropped > 24) return 0;
  return round_off<kMode.rounding>((f32_magnitude & 0x7FFFFFu) | 0x800000u, dropped);
}

template <Fp8Mode kMode>
constexpr std::uint8_t encode_one(std::uint32_t f32_bits) {
  constexpr Encoding kTo = encoding(kMode.format);
  const std::uint32_t sign = f32_bits >> 31 << 7;
  const std::uint32_t magnitude = f32_bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<std::uint8_t>(sign | kTo.nan_code);
  const std::uint32_t code =
      magnitude == 0x7F800000u ? kTo.overflow_code : encode_magnitude<kMode>(magnitude);
  constexpr bool kSaturate = kMode.overflow == Fp8Overflow::satfinite;
  constexpr std::uint32_t kAbove = kSaturate ? kTo.max_finite_code : kTo.overflow_code;
  return static_cast<std::uint8_t>(sign | (code > kTo.max_finite_code ? kAbove : code));
}

/// Sets out[i] to the code of the f32 with the bits bits_of(i). One loop for each of the eight
/// modes, so that a mode's numbers are constants inside it.
template <class BitsOf>
void encode_all(std::span<std::uint8_t> out, Fp8Mode mode, BitsOf bits_of) {
  const auto loop = [&]<Fp8Mode kMode>() {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = encode_one<kMode>(bits_of(i));
  };
  using enum Fp8Rounding;
  using enum Fp8Overflow;
  const auto with_format = [&]<Fp8Format kFormat>() {
    const bool saturate = mode.overflow == satfinite;
    if (mode.rounding == ties_even) {
      saturate ? loop.template operator()<Fp8Mode{kFormat, ties_even, satfinite}>()
               : loop.template operator()<Fp8Mode{kFormat, ties_even, nonsat}>();
    } else {
      saturate ? loop.template operator()<Fp8Mode{kFormat, ties_lower, satfinite}>()
               : loop.template operator()<Fp8Mode{kFormat, ties_lower, nonsat}>();
    }
  };
  if (mode.format == Fp8Format::e4m3) return with_format.template operator()<Fp8Format::e4m3>();
  with_format.template operator()<Fp8Format::e5m2>();
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
  encode_all(out, mode, [in](std::size_t i) { return std::bit_cast<std::uint32_t>(in[i]); });
}

void fp8_encode_f16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  assert(in.size() == out.size());
  encode_all(out, mode, [in](std::size_t i) { return widen_f16(in[i]); });
}

void fp8_encode_bf16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out, Fp8Mode mode) {
  assert(in.size() == out.size());
  encode_all(out, mode, [in](std::size_t i) { return static_cast<std::uint32_t>(in[i]) << 16; });
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
    const auto quotient = [&](std::size_t i) {
      return std::bit_cast<std::uint32_t>(group[i] / scales[g]);
    };
    encode_all(codes.subspan(g * length, length), mode, quotient);
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
