#pragma once

// FP8 for device code, one value at a time, branch-free where it counts. Plain integer arithmetic
// that also compiles for the host, where it is compared with the oracle; see kernels/fp8.hpp for
// what the modes mean and for the specification.

#include <bit>
#include <cstdint>

#include "kernels/cuda/hd.hpp"
#include "kernels/fp8.hpp"

namespace refute::kernels::cuda {

/// What a format's code is made of (OFP8 v1.0, tables 1 and 2).
template <Fp8Format kFormat>
struct Fp8Traits {
  static constexpr bool kE4m3 = kFormat == Fp8Format::e4m3;
  static constexpr int kBias = kE4m3 ? 7 : 15;
  static constexpr int kMantissaBits = kE4m3 ? 3 : 2;
  static constexpr std::uint32_t kMaxFinite = kE4m3 ? 0x7E : 0x7B;
  static constexpr std::uint32_t kOverflow = kE4m3 ? 0x7F : 0x7C;  ///< of nonsat
  static constexpr std::uint32_t kFirstNan = kE4m3 ? 0x7F : 0x7D;
  /// The least normal as f32 bits: 2^(1 - bias).
  static constexpr std::uint32_t kLeastNormal = static_cast<std::uint32_t>(128 - kBias) << 23;
};

REFUTE_HD inline std::uint32_t float_bits(float x) {
  return std::bit_cast<std::uint32_t>(x);
}
REFUTE_HD inline float bits_float(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}

/// The code of an f32 bit pattern.
///
/// Normal results: the exponent is rebiased and the mantissa cut in one integer; the carry of the
/// rounding runs into the exponent by itself. Subnormal results: adding 2^(1 - bias + 23 - M - ...)
/// as f32 would do the rounding in one instruction, but ties to the lower magnitude need the
/// integer form, so both go through it: the significand, shifted right by as much as the exponent
/// lies below the least normal's.
template <Fp8Mode kMode>
REFUTE_HD inline std::uint8_t fp8_code(std::uint32_t f32_bits) {
  using To = Fp8Traits<kMode.format>;
  constexpr int kCut = 23 - To::kMantissaBits;
  const std::uint32_t sign = f32_bits >> 24 & 0x80u;
  const std::uint32_t magnitude = f32_bits & 0x7FFFFFFFu;
  const bool normal = magnitude >= To::kLeastNormal;
  const std::uint32_t below = normal ? 0 : (To::kLeastNormal >> 23) - (magnitude >> 23);
  // Where the shift would leave nothing, not even a tie, 25 bits leave nothing as well.
  const std::uint32_t cut = kCut + below < 25 ? kCut + below : 25;
  constexpr std::uint32_t kRebias = static_cast<std::uint32_t>(127 - To::kBias) << 23;
  const std::uint32_t significand =
      normal ? magnitude - kRebias : (magnitude & 0x7FFFFFu) | 0x800000u;
  const std::uint32_t odd = kMode.rounding == Fp8Rounding::ties_even ? significand >> cut & 1u : 0u;
  std::uint32_t code = (significand + ((1u << (cut - 1)) - 1) + odd) >> cut;
  constexpr bool kSaturates = kMode.overflow == Fp8Overflow::satfinite;
  constexpr std::uint32_t kAbove = kSaturates ? To::kMaxFinite : To::kOverflow;
  if (code > To::kMaxFinite) code = kAbove;
  if (magnitude > 0x7F800000u) code = 0x7F;
  return static_cast<std::uint8_t>(sign | code);
}

/// The f32 bits of a code's value; NaN codes give a quiet NaN of their sign. A subnormal code is
/// normalised by an exact product with a power of two.
template <Fp8Format kFormat>
REFUTE_HD inline float fp8_value(std::uint8_t code) {
  using From = Fp8Traits<kFormat>;
  const std::uint32_t sign = static_cast<std::uint32_t>(code & 0x80u) << 24;
  const std::uint32_t magnitude = code & 0x7Fu;
  if (magnitude >= From::kFirstNan) return bits_float(sign | 0x7FC00000u);
  if (magnitude > From::kMaxFinite) return bits_float(sign | 0x7F800000u);
  // As f32 bits the code's fields mean value · 2^(bias - 127).
  constexpr float kRescale =
      std::bit_cast<float>(static_cast<std::uint32_t>(254 - From::kBias) << 23);
  const float value = bits_float(magnitude << (23 - From::kMantissaBits)) * kRescale;
  return bits_float(sign | float_bits(value));
}

/// IEEE binary16 widened to binary32; a NaN stays one.
REFUTE_HD inline std::uint32_t widened_f16(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = half & 0x7FFFu;
  const float value = bits_float(magnitude << 13) * 0x1p112f;
  const std::uint32_t special = magnitude >= 0x7C00u ? 0x7F800000u : 0u;
  return sign | float_bits(value) | special;
}

/// absmax over the largest value; 1 for zeros, never below the least normal float.
REFUTE_HD inline float fp8_scale(std::uint32_t absmax_bits, Fp8Format format) {
  if (absmax_bits == 0) return 1.0f;
  const float scale = bits_float(absmax_bits) / (format == Fp8Format::e4m3 ? 448.0f : 57344.0f);
  return scale < 0x1p-126f ? 0x1p-126f : scale;
}

}  // namespace refute::kernels::cuda
