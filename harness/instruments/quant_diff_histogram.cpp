#include <algorithm>
#include <cmath>

#include "harness/instruments/quant_diff.hpp"

namespace refute::instruments {
namespace {

constexpr double kLowestEdge = 0x1p-20;
constexpr int kLowestExponent = -20;

/// In which quarter of its octave a significand of [1, 2) lies. Millions of rows come by, and a
/// logarithm of each would be seen in the time they take.
int quarter_of(double significand) {
  constexpr double kQuarter = 1.189207115002721, kHalf = 1.4142135623730951;
  if (significand < kHalf) return significand < kQuarter ? 0 : 1;
  return significand < kHalf * kQuarter ? 2 : 3;
}

}  // namespace

void ErrorHistogram::add(double relative_error) {
  if (relative_error == 0) {
    ++none;
    return;
  }
  if (!std::isfinite(relative_error)) {
    ++beyond;
    return;
  }
  int exponent = 0;
  const double significand = 2 * std::frexp(relative_error, &exponent);
  const int place = 4 * (exponent - 1 - kLowestExponent) + quarter_of(significand);
  if (place >= static_cast<int>(kBins)) {
    ++beyond;
  } else {
    ++bins[static_cast<std::size_t>(std::max(0, place))];
  }
}

void ErrorHistogram::add(const ErrorHistogram& other) {
  none += other.none;
  beyond += other.beyond;
  for (std::size_t i = 0; i < kBins; ++i) bins[i] += other.bins[i];
}

double ErrorHistogram::lower_edge(std::size_t bin) {
  return kLowestEdge * std::exp2(static_cast<double>(bin) / 4);
}

}  // namespace refute::instruments
