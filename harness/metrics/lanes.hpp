#pragma once

// Sums in f64 over eight fixed lanes: the same bits whatever the compiler makes of the loops.

#include <array>
#include <cstddef>

namespace refute::metrics {

inline constexpr std::size_t kLanes = 8;
using LaneSums = std::array<double, kLanes>;

/// Lane j takes in j + 4, then j + 2, then j + 1.
inline double fold(LaneSums sums) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) sums[j] += sums[j + half];
  }
  return sums[0];
}

/// Calls body(i, lane) for every i < count, lane = i mod 8.
template <class Body>
void for_each_in_lanes(std::size_t count, Body body) {
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) body(i + lane, lane);
  }
  for (std::size_t lane = 0; i + lane < count; ++lane) body(i + lane, lane);
}

/// Σ term(i) over i < count.
template <class Term>
double sum_in_lanes(std::size_t count, Term term) {
  LaneSums sums{};
  for_each_in_lanes(count, [&](std::size_t i, std::size_t lane) { sums[lane] += term(i); });
  return fold(sums);
}

}  // namespace refute::metrics
