#pragma once

// FP8 as the Open Compute Project's "OFP8 Formats for Deep Learning" (v1.0, 2023) defines it: E4M3
// (the FN variant: no infinity, S.1111.111 is NaN, largest finite 448) and E5M2 (IEEE-like
// infinities and NaNs, largest finite 57344). Plain C++20, nothing else needed. Every function
// exists under equal name and meaning in cpu_scalar and cpu_simd and gives the same bits in both,
// on every instruction set.

#include <cstddef>
#include <cstdint>
#include <span>

namespace refute::kernels {

enum class Fp8Format : std::uint8_t { e4m3, e5m2 };

/// What happens halfway between two codes. Hardware rounds ties to even; ties_lower takes the
/// smaller magnitude and is there for parity with implementations that scan a table and keep the
/// first minimum.
enum class Fp8Rounding : std::uint8_t { ties_even, ties_lower };

/// What happens above the largest finite value.
/// satfinite: infinities and overflow become ±448 or ±57344.
/// nonsat: E4M3 gives NaN above 464 (448 < |x| <= 464 rounds down to 448), E5M2 gives infinity from
/// 61440 on. (61440 is a tie: with ties_lower it stays 57344.)
enum class Fp8Overflow : std::uint8_t { satfinite, nonsat };

struct Fp8Mode {
  Fp8Format format = Fp8Format::e4m3;
  Fp8Rounding rounding = Fp8Rounding::ties_even;
  Fp8Overflow overflow = Fp8Overflow::satfinite;
};

constexpr float fp8_max_finite(Fp8Format f) {
  return f == Fp8Format::e4m3 ? 448.0f : 57344.0f;
}

/// What shares one scale: the whole tensor, each row, or each run of `block` values along a row.
enum class Fp8Granularity : std::uint8_t { tensor, channel, block };

/// A row-major [rows, cols] tensor and how it is scaled. For `block`, cols must be a multiple of
/// `block`.
struct Fp8Layout {
  std::size_t rows = 1, cols = 0;
  Fp8Granularity granularity = Fp8Granularity::tensor;
  std::size_t block = 128;

  std::size_t size() const { return rows * cols; }
  std::size_t scale_count() const {
    switch (granularity) {
      case Fp8Granularity::tensor:
        return 1;
      case Fp8Granularity::channel:
        return rows;
      case Fp8Granularity::block:
        return block == 0 ? 0 : rows * (cols / block);
    }
    return 0;
  }
};

enum class Fp8Status : std::uint8_t {
  ok,
  size_mismatch,  ///< a span is not as long as the layout says, or cols is no multiple of block
  non_finite,     ///< NaN or infinity among the values; nothing was written
};

struct Fp8QuantizeResult {
  Fp8Status status = Fp8Status::ok;
  std::size_t index = 0;  ///< of the first offending value, for non_finite
};

namespace cpu_scalar {
#include "kernels/fp8_functions.inc"
}
namespace cpu_simd {
#include "kernels/fp8_functions.inc"
}

/// What a GPU of a given compute capability can do with FP8, as 10·major + minor. Conversion needs
/// none at all; 0 means that the capability was not measured, which is not the same as too low.
/// (Weight-only serving from 7.5, W8A8 from 8.9: the vLLM documentation's table; native FP8 matrix
/// multiply from Ada, sm_89.)
struct Fp8Capability {
  bool measured = false;
  bool convert = true;
  bool weight_only = false;
  bool native_gemm = false;
};
Fp8Capability fp8_capability(int sm);

/// The gate that CRUX-B-11-002 names: native FP8 from Hopper (sm_90) on.
enum class Fp8Gate : std::uint8_t { capable, incapable, not_measured };
Fp8Gate fp8_gate(int sm);

}  // namespace refute::kernels
