#pragma once

// How far one run of stored floats is from another, in one pass over both where they lie: nothing
// is widened into a buffer first. Plain C++20; equal names and equal bits in cpu_scalar and
// cpu_simd, on every instruction set.

#include <cstddef>
#include <cstdint>
#include <span>

namespace refute::kernels {

enum class StoredFloat : std::uint8_t { f32, f16, bf16 };

constexpr std::size_t bytes_of(StoredFloat type) {
  return type == StoredFloat::f32 ? 4 : 2;
}

/// Little-endian floats, aligned to their own size.
struct StoredRun {
  StoredFloat type = StoredFloat::f32;
  const void* data = nullptr;
};

inline StoredRun stored(std::span<const float> values) {
  return {StoredFloat::f32, values.data()};
}

/// Sums over a run of values x and their counterparts y. d = x − y is rounded to f32, everything is
/// summed in f64 over 8 virtual lanes (value i goes to lane i mod 8, lanes are added pairwise), as
/// in GgmlRunError: quantising in memory and reading the quantised file back give the same bits.
///
/// Two runs of F16, or two of BF16, take three sums, because reading them is no longer what takes
/// the time: Σd², Σx² and Σxd, from which Σxy = Σx² − Σxd and Σy² = Σx² − 2·Σxd + Σd². A d is
/// rounded only where the larger value is more than 2^13 times the smaller (BF16: 2^16), so these
/// two are within 2^-34 of what they stand for, relative to Σx²; where Σy² is not within a factor
/// of four of Σx², all four are summed.
struct RunError {
  double sum_d2 = 0, sum_x2 = 0, sum_y2 = 0, sum_xy = 0;
  /// Largest |d|. Infinity where some d is infinite or NaN; the sums mean nothing then.
  float max_abs = 0;
  /// Of two runs of one type: values whose bits differ, whatever they are worth. Else 0.
  std::uint64_t different = 0;
};

namespace cpu_scalar {
#include "kernels/run_error_functions.inc"
}
namespace cpu_simd {
#include "kernels/run_error_functions.inc"
}

}  // namespace refute::kernels
