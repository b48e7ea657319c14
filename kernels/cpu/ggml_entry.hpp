#pragma once

// What the entry points of cpu_scalar and cpu_simd have in common: sizes, the search for NaN and
// infinity, tiles. The two differ in a handful of functions.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/cpu/ggml_blocks.hpp"
#include "kernels/ggml.hpp"

namespace refute::kernels::ggml_detail {

constexpr std::size_t kErrorLanes = 8;
/// Values that are quantised, dequantised and compared at a time: a multiple of every block size
/// and of the lanes, small enough for the first-level cache.
constexpr std::size_t kTile = 512;

/// A GgmlRunError on its way: value i of the run was added to lane i mod 8.
struct RunSums {
  using Lanes = std::array<double, kErrorLanes>;
  Lanes d2 = {}, x2 = {}, y2 = {}, xy = {};
  float max_abs = 0;
  std::size_t max_index = 0;
};

/// Adds at most kTile values x and their quantised form y to sums; `at`, a multiple of 8, is where
/// they begin in the run.
using Compare = void (*)(const float* x, const float* y, std::size_t count, std::size_t at,
                         RunSums& sums);
void compare_run(const float* x, const float* y, std::size_t count, std::size_t at, RunSums& sums);

/// Whole blocks to what their quantised form is worth, in one step.
using RoundTrip = void (*)(const float* x, float* y, std::size_t blocks);

struct Kernels {
  const BlockCodec& (*codec)(GgmlFormat);
  std::size_t (*first_non_finite)(std::span<const float>);
  Compare compare;
  /// Null, or null for a format: then quantise and dequantise do it.
  RoundTrip (*round_trip)(GgmlFormat) = nullptr;
};

const Kernels& scalar_kernels();

GgmlResult quantize(const Kernels& kernels, GgmlFormat format, std::span<const float> in,
                    std::span<std::uint8_t> out);
GgmlResult dequantize(const Kernels& kernels, GgmlFormat format, std::span<const std::uint8_t> in,
                      std::span<float> out);
GgmlResult quantize_error(const Kernels& kernels, GgmlFormat format, std::span<const float> in,
                          std::size_t run, std::span<GgmlRunError> out);

}  // namespace refute::kernels::ggml_detail
