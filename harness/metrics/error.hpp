#pragma once

// Distances between what a kernel gave and a reference. Differences are taken in f64, sums run over
// eight fixed lanes (lane j takes every i ≡ j mod 8, then 4, 2, 1), so a result has the same bits
// on every machine. Two tensors of zeros are equal: relative error 0, cosine 1. Where either side
// is not finite no distance is defined; the census says what and where.

#include <cstddef>
#include <optional>
#include <span>

#include "harness/metrics/census.hpp"
#include "harness/metrics/metric.hpp"

namespace refute::metrics {

struct ErrorReport {
  std::size_t count = 0;
  Census got, reference;
  std::optional<std::size_t> mask_mismatch;      ///< see first_mask_mismatch
  Metric relative_frobenius = Undefined::empty;  ///< ‖got - ref‖ / ‖ref‖
  Metric rmse = Undefined::empty;     ///< √(Σ(got - ref)² / n), in the values' own unit
  Metric cosine = Undefined::empty;   ///< ⟨got, ref⟩ / (‖got‖·‖ref‖)
  Metric max_abs = Undefined::empty;  ///< largest |got - ref|
  std::size_t max_abs_index = 0;      ///< the first element that has it
  Metric sqnr_db = Undefined::empty;  ///< 20·log10(‖ref‖ / ‖got - ref‖)
  Metric norm_ratio =
      Undefined::empty;  ///< ‖got‖ / ‖ref‖: sees a wrong scale, which cosine does not
};

ErrorReport measure(std::span<const float> got, std::span<const float> reference);

/// One metric per group of consecutive elements, and the groups at both ends.
struct GroupReport {
  std::size_t groups = 0;
  Metric worst = Undefined::empty;  ///< the largest, or the reason of the first group that has none
  std::size_t worst_group = 0;
  Metric best = Undefined::empty;
  std::size_t best_group = 0;
};

/// Relative Frobenius error per row of a row-major [rows, cols] tensor. A pooled norm can hide a
/// row that is gone.
GroupReport worst_row(std::span<const float> got, std::span<const float> reference,
                      std::size_t rows, std::size_t cols);

/// The same per block of `block` values along each row; the last block of a row may be shorter.
GroupReport worst_block(std::span<const float> got, std::span<const float> reference,
                        std::size_t rows, std::size_t cols, std::size_t block);

/// How many representable floats lie between two numbers, as f32. +0 and -0 are the same;
/// infinities are one step beyond the largest finite value; a NaN on either side gives kUlpNan,
/// larger than every distance.
inline constexpr std::uint64_t kUlpNan = ~std::uint64_t{0};
std::uint64_t ulp_distance(float a, float b);

}  // namespace refute::metrics
