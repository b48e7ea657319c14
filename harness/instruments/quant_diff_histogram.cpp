#include <algorithm>
#include <cmath>

#include "harness/instruments/quant_diff.hpp"

namespace refute::instruments {
namespace {

constexpr double kLowestEdge = 0x1p-20;

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
  const double place = std::max(0.0, 4 * std::log2(relative_error / kLowestEdge));
  if (place >= static_cast<double>(kBins)) {
    ++beyond;
  } else {
    ++bins[static_cast<std::size_t>(place)];
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
