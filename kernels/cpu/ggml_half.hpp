#pragma once

// binary16, bfloat16 and E8M0 to f32 and back, as ggml's portable code converts them. Integer
// arithmetic, except for one addition whose rounding is the one that is wanted.

#include <bit>
#include <cstdint>

namespace refute::kernels::ggml_detail {

constexpr std::uint32_t kSignBit = 0x80000000u;
constexpr std::uint32_t kInfinityBits = 0x7F800000u;
constexpr std::uint32_t kQuietBit = 0x00400000u;

/// Exact. A NaN comes out quiet, with its payload in the high mantissa bits.
inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1Fu;
  const std::uint32_t mantissa = half & 0x3FFu;
  if (exponent == 31) {
    const std::uint32_t quiet = mantissa != 0 ? kQuietBit : 0;
    return std::bit_cast<float>(sign | kInfinityBits | quiet | mantissa << 13);
  }
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

/// Nearest, ties to even; from 65520 on infinity; every NaN gives 0x7E00 with its sign.
inline std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits & kSignBit) >> 16);
  const std::uint32_t magnitude = bits & ~kSignBit;
  if (magnitude > kInfinityBits) return sign | 0x7E00u;
  if (magnitude >= 0x477FF000u) return sign | 0x7C00u;
  if (magnitude < 0x38800000u) {
    // Next to 0.5 an f32 has the spacing of binary16's subnormals, so the sum rounds as they do.
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3F000000u));
  }
  const std::uint32_t rounded = magnitude + 0xFFFu + (magnitude >> 13 & 1u);
  return static_cast<std::uint16_t>(sign | (rounded - (112u << 23)) >> 13);
}

/// Exact; NaN payloads and signalling NaNs pass through unchanged.
inline float brain_to_float(std::uint16_t brain) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(brain) << 16);
}

/// Nearest, ties to even, subnormals kept. A NaN keeps its upper payload and becomes quiet.
inline std::uint16_t float_to_brain(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & ~kSignBit) > kInfinityBits) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

/// Half of the power of two 2^(e-127) that an E8M0 byte stands for: MXFP4's codes are twice the
/// E2M1 values, so that they are integers. 255, E8M0's NaN, is 2^127 here, as in ggml.
inline float e8m0_half(std::uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1u) << 23);
}

inline std::uint16_t load_u16(const std::uint8_t* p) {
  return static_cast<std::uint16_t>(p[0] | p[1] << 8);
}

inline void store_u16(std::uint8_t* p, std::uint16_t v) {
  p[0] = static_cast<std::uint8_t>(v);
  p[1] = static_cast<std::uint8_t>(v >> 8);
}

inline float load_half(const std::uint8_t* p) {
  return half_to_float(load_u16(p));
}
inline void store_half(std::uint8_t* p, float v) {
  store_u16(p, float_to_half(v));
}

inline std::uint32_t load_u32(const std::uint8_t* p) {
  return load_u16(p) | static_cast<std::uint32_t>(load_u16(p + 2)) << 16;
}

inline void store_u32(std::uint8_t* p, std::uint32_t v) {
  store_u16(p, static_cast<std::uint16_t>(v));
  store_u16(p + 2, static_cast<std::uint16_t>(v >> 16));
}

}  // namespace refute::kernels::ggml_detail
