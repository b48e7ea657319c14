#pragma once

// What a storage format does to a number, as far as an acceptance rule has to know: its own
// rounding, in f64, which shares nothing with the kernels' conversions.

#include <array>
#include <cstdint>
#include <string_view>

namespace refute::metrics {

enum class Format : std::uint8_t { f32, f16, bf16 };
inline constexpr std::array<std::string_view, 3> kFormatNames = {"f32", "f16", "bf16"};
constexpr std::string_view to_string(Format f) {
  return kFormatNames[static_cast<int>(f)];
}

/// Half the distance of neighbours just above 1: the unit round-off u. 2^-24, 2^-11, 2^-8.
double unit_roundoff(Format f);

/// Half the smallest subnormal: the largest error of rounding near zero.
double half_smallest(Format f);

/// The value of the format nearest to x, ties to even; overflow gives infinity, NaN stays NaN.
double nearest(Format f, double x);

/// The value of the format next to x towards zero; a finite x never becomes infinite.
double truncated(Format f, double x);

/// Half the distance from a value of the format to its neighbour on the side of `target`: as far as
/// a number on that side may be and still round to it.
double half_step_towards(Format f, double value, double target);

}  // namespace refute::metrics
