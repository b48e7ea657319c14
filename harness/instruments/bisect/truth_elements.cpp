#include "harness/instruments/bisect/truth_elements.hpp"

#include <cassert>
#include <cmath>

namespace refute::bisect {
namespace {

/// Of one operation on f64 or on what the path declares.
double unit_of(const Arithmetic& a) {
  return a.exact_sums ? 0x1p-52 : unit_roundoff(a.accumulator);
}

/// Roundings of intermediates that a path of exact sums does not have.
double between(const Arithmetic& a) {
  return a.exact_sums ? 0x1p-52 : a.between();
}

StageTruth of_size(std::size_t n) {
  return {std::vector<double>(n), std::vector<double>(n), {}};
}

}  // namespace

void add_output_rounding(StageTruth& truth, const Arithmetic& a) {
  const double u = unit_roundoff(a.storage), least = half_smallest(a.storage);
  for (std::size_t i = 0; i < truth.value.size(); ++i) {
    truth.bound[i] += u * (std::abs(truth.value[i]) + truth.bound[i]) + least;
  }
}

StageTruth copied_truth(std::span<const float> x, const Arithmetic& a) {
  StageTruth truth = of_size(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) truth.value[i] = x[i];
  if (a.storage != metrics::Format::f32) add_output_rounding(truth, a);
  return truth;
}

StageTruth norm_truth(std::span<const float> x, std::span<const float> weight, double epsilon,
                      const Arithmetic& a) {
  const std::size_t cols = weight.size();
  assert(cols != 0 && x.size() % cols == 0);
  StageTruth truth = of_size(x.size());
  // The sum has √n, half of which reaches the root; four operations on the way to the factor, one
  // product with it and one intermediate that may be stored.
  const double relative =
      metrics::kSixDeviations * unit_of(a) * (std::sqrt(static_cast<double>(cols)) / 2 + 5) +
      between(a) + 2 * a.inputs();
  for (std::size_t row = 0; row < x.size(); row += cols) {
    double squares = 0;
    for (std::size_t i = 0; i < cols; ++i) squares += static_cast<double>(x[row + i]) * x[row + i];
    const double root = std::sqrt(squares / static_cast<double>(cols) + epsilon);
    for (std::size_t i = 0; i < cols; ++i) {
      const double value = static_cast<double>(weight[i]) * x[row + i] / root;
      truth.value[row + i] = value;
      // x / root may be stored, and x known only as it was.
      truth.bound[row + i] = relative * std::abs(value) +
                             std::abs(weight[i]) * (a.least_between() + a.least_input() / root);
    }
  }
  add_output_rounding(truth, a);
  return truth;
}

StageTruth bias_truth(std::span<const float> x, const std::vector<std::span<const float>>& parts,
                      const Arithmetic& a) {
  std::vector<float> bias;
  for (const auto& part : parts) bias.insert(bias.end(), part.begin(), part.end());
  assert(!bias.empty() && x.size() % bias.size() == 0);
  std::vector<float> repeated;
  repeated.reserve(x.size());
  while (repeated.size() < x.size()) repeated.insert(repeated.end(), bias.begin(), bias.end());
  return add_truth(x, repeated, a);
}

StageTruth add_truth(std::span<const float> x, std::span<const float> y, const Arithmetic& a) {
  assert(x.size() == y.size());
  StageTruth truth = of_size(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    truth.value[i] = static_cast<double>(x[i]) + y[i];
    truth.bound[i] = unit_of(a) * std::abs(truth.value[i]) +
                     a.inputs() * (std::abs(static_cast<double>(x[i])) + std::abs(y[i])) +
                     2 * a.least_input();
  }
  add_output_rounding(truth, a);
  return truth;
}

StageTruth multiply_truth(std::span<const float> x, std::span<const float> y, const Arithmetic& a) {
  assert(x.size() == y.size());
  StageTruth truth = of_size(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    truth.value[i] = static_cast<double>(x[i]) * y[i];
    truth.bound[i] = (unit_of(a) + 2 * a.inputs()) * std::abs(truth.value[i]) +
                     a.least_input() * (std::abs(static_cast<double>(x[i])) + std::abs(y[i]));
  }
  add_output_rounding(truth, a);
  return truth;
}

StageTruth silu_truth(std::span<const float> x, const Arithmetic& a) {
  StageTruth truth = of_size(x.size());
  // An exponential of two ulp, a sum, a division; a slope of at most 1.1; and e^-x that is infinite
  // in f32 where the result is still a normal number.
  const double relative = 8 * unit_of(a) + between(a);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    truth.value[i] = v / (1 + std::exp(-v));
    truth.bound[i] = relative * std::abs(truth.value[i]) + 1.1 * a.inputs() * std::abs(v) +
                     a.least_between() * std::abs(v) + 1.1 * a.least_input();
    if (!a.exact_sums) truth.bound[i] += 0x1p-126 * std::abs(v);
  }
  add_output_rounding(truth, a);
  return truth;
}

StageTruth rope_truth(std::span<const float> x, const Positions& at, const Arithmetic& a) {
  const std::size_t half = at.frequencies.size(), dim = 2 * half;
  assert(x.size() == at.tokens * at.heads * dim);
  StageTruth truth = of_size(x.size());
  for (std::size_t row = 0; row < at.tokens * at.heads; ++row) {
    const double position = static_cast<double>(at.past + row / at.heads);
    for (std::size_t i = 0; i < half; ++i) {
      const double angle = position * at.frequencies[i];
      const double c = std::cos(angle), s = std::sin(angle);
      const std::size_t j = row * dim + i, k = j + half;
      truth.value[j] = x[j] * c - x[k] * s;
      truth.value[k] = x[k] * c + x[j] * s;
      // Cosine and sine stored, two products and their sum; and a frequency of a few ulp.
      const double products = 4 * unit_of(a) + 2 * between(a) + a.inputs(),
                   turn = 8 * unit_of(a) * angle;
      // The same, of values that are subnormal when stored.
      const double least = a.least_between() * (std::abs(x[j]) + std::abs(x[k]) + 2) +
                           a.least_input() * (std::abs(c) + std::abs(s));
      truth.bound[j] = least + products * (std::abs(x[j] * c) + std::abs(x[k] * s)) +
                       turn * (std::abs(x[j] * s) + std::abs(x[k] * c));
      truth.bound[k] = least + products * (std::abs(x[k] * c) + std::abs(x[j] * s)) +
                       turn * (std::abs(x[k] * s) + std::abs(x[j] * c));
    }
  }
  add_output_rounding(truth, a);
  return truth;
}

}  // namespace refute::bisect
