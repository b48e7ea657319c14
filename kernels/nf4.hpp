#pragma once

// NF4, the 4-bit NormalFloat of Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs"
// (2023), appendix E. Blocks of 64 values run along the columns of a row-major [rows, cols] matrix;
// a block is one f32 absmax and 64 codes. Plain C++20. Equal names and equal bits in cpu_scalar and
// cpu_simd.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace refute::kernels {

inline constexpr std::size_t kNf4Block = 64;
inline constexpr std::size_t kNf4BlockBytes =
    36;  ///< 4 bytes of scale, little-endian, then 32 bytes of codes

inline constexpr std::array<float, 16> kNf4Codebook = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

/// How two codes share a byte: the first value of a pair in the low or in the high nibble
/// (bitsandbytes).
enum class Nf4Layout : std::uint8_t { first_low, first_high };

/// How a normalised value finds its code. thresholds: bitsandbytes' 15 strict comparisons; nearest:
/// least |x - c| in f32, ties to the lower code. They differ on exactly 4 floats in [-1, 1].
enum class Nf4Decision : std::uint8_t { thresholds, nearest };

enum class Nf4Status : std::uint8_t {
  ok,
  size_mismatch,  ///< a span is not as long as the shape says
  misaligned,     ///< cols is no multiple of 64
  non_finite,     ///< NaN or infinity among the values; nothing was written
};

struct Nf4Result {
  Nf4Status status = Nf4Status::ok;
  std::size_t index = 0;  ///< of the first offending value, for non_finite
};

namespace cpu_scalar {
#include "kernels/nf4_functions.inc"
}
namespace cpu_simd {
#include "kernels/nf4_functions.inc"
}

constexpr std::size_t nf4_packed_size(std::size_t rows, std::size_t cols) {
  return cols / kNf4Block * kNf4BlockBytes * rows;
}

}  // namespace refute::kernels
