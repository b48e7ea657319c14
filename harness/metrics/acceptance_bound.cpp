#include "harness/metrics/acceptance_bound.hpp"

#include <algorithm>
#include <cmath>

namespace refute::metrics {
namespace {

double grown(const DeclaredPrecision& p, std::size_t n) {
  const double count = static_cast<double>(n);
  return unit_roundoff(p.accumulator) *
         (p.growth == Growth::random_walk ? std::sqrt(count) : count);
}

/// 0 where nothing is rounded: a format as fine as the accumulator adds no step of its own.
double step(const DeclaredPrecision& p, Format f) {
  return f == p.accumulator ? 0.0 : unit_roundoff(f);
}

/// Weights below the smallest normal f32 may be flushed to zero, coarser formats underflow sooner.
double underflow(const DeclaredPrecision& p) {
  return std::max(0x1p-126, half_smallest(p.probabilities));
}

}  // namespace

WeightDeviation weight_deviation(const DeclaredPrecision& p, std::size_t head_dim) {
  const double u = unit_roundoff(p.accumulator);
  WeightDeviation d{};
  d.products = grown(p, head_dim);
  // The sum's own part, then three roundings of the score: by the scale, and where the scale and
  // log2 e are folded into one factor.
  d.score = grown(p, head_dim) + 3 * u + step(p, p.scores);
  d.shift = 2 * u;  // the difference from the maximum, and the reduced argument of the exponential
  d.constant = 2 * p.exp_ulps * u + u;  // an ulp is at most 2u; and the rescaling by e^(m - m')
  d.absolute = underflow(p);
  return d;
}

void attention_bound(const DeclaredPrecision& p, double lambda, std::size_t keys,
                     std::span<const double> reference, std::span<const double> terms,
                     std::span<const double> spread, std::span<double> bound) {
  const double sums = grown(p, keys), rounding = step(p, p.probabilities);
  // Equal weights are all rounded by the same amount, which no normalisation takes out again; and
  // the division, its reciprocal and the last rescaling touch the whole row.
  const double common = rounding + 4 * unit_roundoff(p.accumulator);
  for (std::size_t i = 0; i < bound.size(); ++i) {
    const double size = std::abs(reference[i]);
    const double deviation = std::hypot(spread[i], rounding * terms[i], sums * (terms[i] + size));
    bound[i] = lambda * deviation + common * size + 0x1p-126;
  }
}

void softmax_bound(const DeclaredPrecision& p, double lambda, std::size_t n,
                   std::span<const double> reference, std::span<const double> spread,
                   std::span<double> bound) {
  const double sums = grown(p, n);
  for (std::size_t i = 0; i < bound.size(); ++i) {
    const double size = std::abs(reference[i]);
    bound[i] = lambda * std::hypot(spread[i], sums * size) +
               4 * unit_roundoff(p.accumulator) * size + 0x1p-126;
  }
}

void product_bound(const DeclaredPrecision& p, double lambda, std::size_t n,
                   std::span<const double> reference, std::span<const double> terms,
                   std::span<double> bound) {
  const double sums = grown(p, n);
  for (std::size_t i = 0; i < bound.size(); ++i) {
    bound[i] = lambda * sums * (terms[i] + std::abs(reference[i]));
  }
}

}  // namespace refute::metrics
