#pragma once

// What the scalar and the vector kernels share: the layout of each block, the two ways in which
// ggml turns a float into an integer, and the table of scalar codecs, which the vector kernels use
// for blocks out of the ordinary.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "kernels/cpu/ggml_half.hpp"
#include "kernels/ggml.hpp"

namespace refute::kernels::ggml_detail {

constexpr std::size_t kBlock = 32;   ///< values in a block of the plain formats
constexpr std::size_t kSuper = 256;  ///< values in a super-block of the K formats

/// Codebooks of the formats that have one. MXFP4: twice the E2M1 values.
inline constexpr std::array<std::int8_t, 16> kIq4NlValues = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
inline constexpr std::array<std::int8_t, 16> kMxfp4Values = {0, 1,  2,  3,  4,  6,  8,  12,
                                                             0, -1, -2, -3, -4, -6, -8, -12};

/// Groups whose largest magnitude is below this count as zeros (Q3_K, Q6_K, IQ4_NL).
constexpr float kZeroGroup = 1e-15f;

/// C's conversion to int where it is defined; INT_MIN elsewhere, which is what x86 gives for the
/// infinities and NaN that come of an inverse scale that overflowed. The low byte is then 0.
inline std::int32_t truncate_to_int(float v) {
  if (!(v >= -2147483648.0f && v < 2147483648.0f)) return std::numeric_limits<std::int32_t>::min();
  return static_cast<std::int32_t>(v);
}

/// Rounds to nearest, ties to even, by adding 1.5·2^23 and reading the low mantissa bits. What this
/// gives for magnitudes above 2^22, infinities and NaN is part of the format's definition too.
inline std::int32_t nearest_int(float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v + 12582912.0f);
  return static_cast<std::int32_t>(bits & 0x007FFFFFu) - 0x00400000;
}

inline float inverse_or_zero(float d) {
  return d != 0.0f ? 1.0f / d : 0.0f;
}

/// What floorf(log2f(x)) is for x > 0 when log2f is correctly rounded: just below a power of two
/// the logarithm rounds up to the integer.
int floor_of_rounded_log2(float x);

/// Codes j and j + 16 share byte j, the first in the low nibble.
inline void pack_nibbles(const std::uint8_t* codes, std::uint8_t* out) {
  for (std::size_t j = 0; j < kBlock / 2; ++j) {
    out[j] = static_cast<std::uint8_t>((codes[j] & 15) | codes[j + kBlock / 2] << 4);
  }
}

inline void unpack_nibbles(const std::uint8_t* in, std::uint8_t* codes) {
  for (std::size_t j = 0; j < kBlock / 2; ++j) {
    codes[j] = in[j] & 15;
    codes[j + kBlock / 2] = in[j] >> 4;
  }
}

/// Scale and minimum of the eight sub-blocks of Q4_K and Q5_K, six bits each, in twelve bytes.
struct ScaleMins {
  std::array<std::uint8_t, 8> scale, least;
};
ScaleMins unpack_scale_mins(const std::uint8_t* in);
void pack_scale_mins(const ScaleMins& s, std::uint8_t* out);

/// The sixteen signed six-bit scales of Q3_K, in twelve bytes.
std::array<std::int8_t, 16> unpack_q3_scales(const std::uint8_t* in);
void pack_q3_scales(const std::array<std::int8_t, 16>& s, std::uint8_t* out);

/// Byte offsets of a super-block's fields.
struct Q2k {
  static constexpr std::size_t scales = 0, codes = 16, d = 80, dmin = 82;
};
struct Q3k {
  static constexpr std::size_t high = 0, codes = 32, scales = 96, d = 108;
};
struct Q4k {
  static constexpr std::size_t d = 0, dmin = 2, scales = 4, codes = 16;
};
struct Q5k {
  static constexpr std::size_t d = 0, dmin = 2, scales = 4, high = 16, codes = 48;
};
struct Q6k {
  static constexpr std::size_t low = 0, high = 128, scales = 192, d = 208;
};

/// Whole blocks, one after the other; the values are finite.
using QuantizeBlocks = void (*)(const float* x, std::uint8_t* y, std::size_t blocks);
using DequantizeBlocks = void (*)(const std::uint8_t* y, float* x, std::size_t blocks);

struct BlockCodec {
  QuantizeBlocks quantize;
  DequantizeBlocks dequantize;
};
const BlockCodec& scalar_codec(GgmlFormat format);

/// One block of a plain format to its quantised values, through the scalar codec.
void round_trip_scalar(GgmlFormat format, const float* x, float* y);

/// Index of the first NaN or infinity, x.size() when there is none.
std::size_t first_non_finite(std::span<const float> x);

/// Turns a function of one block into one of many.
template <auto kOne, std::size_t kValues, std::size_t kBytes>
void quantize_each(const float* x, std::uint8_t* y, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b) kOne(x + b * kValues, y + b * kBytes);
}

template <auto kOne, std::size_t kValues, std::size_t kBytes>
void dequantize_each(const std::uint8_t* y, float* x, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b) kOne(y + b * kBytes, x + b * kValues);
}

}  // namespace refute::kernels::ggml_detail
