#include "harness/metrics/acceptance_criterion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace refute::metrics {
namespace {

bool complete(const CriterionData& d) {
  const std::size_t n = d.rows * d.cols;
  if (n == 0 || d.reference.size() != n || d.bound.size() != n || d.baseline.size() != n ||
      d.plain.size() != n) {
    return false;
  }
  const auto finite = [](double x) { return std::isfinite(x); };
  return std::ranges::all_of(d.reference, finite) && std::ranges::all_of(d.bound, finite);
}

}  // namespace

ErrorSize error_size(std::span<const float> x, std::span<const double> reference) {
  ErrorSize e;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = std::abs(x[i] - reference[i]);
    e.rms += error * error;
    if (!(error <= e.max))
      e.max = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
  }
  e.rms = std::sqrt(e.rms / static_cast<double>(x.size()));
  if (std::isnan(e.rms)) e.rms = std::numeric_limits<double>::infinity();
  return e;
}

double root_mean_square(std::span<const double> x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

Criterion::Criterion(CriterionData data) : data_(std::move(data)), usable_(complete(data_)) {
  if (!usable_) return;
  const std::size_t n = data_.reference.size();
  low_.resize(n);
  high_.resize(n);
  rounded_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    rounded_[i] = nearest(data_.format, data_.reference[i]);
    low_[i] = nearest(data_.format, data_.reference[i] - data_.bound[i]);
    high_[i] = nearest(data_.format, data_.reference[i] + data_.bound[i]);
  }
  for (std::size_t row = 0; row < data_.rows; ++row) row_scales_.push_back(row_scale(row));
  rms_ = root_mean_square(data_.reference);
  const ErrorSize plain = error_size(data_.plain, data_.reference);
  plain_rms_ = plain.rms;
  plain_max_ = plain.max;
}

Criterion::Row Criterion::row_scale(std::size_t row) const {
  const std::size_t at = row * data_.cols;
  const auto reference = std::span(data_.reference).subspan(at, data_.cols);
  const auto bound = std::span(data_.bound).subspan(at, data_.cols);
  const ErrorSize baseline =
      error_size(std::span(data_.baseline).subspan(at, data_.cols), reference);
  return {root_mean_square(reference), root_mean_square(bound), *std::ranges::max_element(bound),
          baseline.rms, baseline.max};
}

Comparison::Comparison(const Criterion& criterion, std::span<const float> got)
    : criterion_(criterion), got_(got) {
  if (!same_size()) return;
  const std::vector<double>& reference = criterion.data().reference;
  double max_error = 0;
  Totals t;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double x = got[i], exact = reference[i], error = std::abs(x - exact);
    t.got2 += x * x;
    t.reference2 += exact * exact;
    t.dot += x * exact;
    t.error2 += error * error;
    max_error = error > max_error ? error : max_error;
  }
  // A NaN anywhere is in error2 as well.
  t.max_error = std::isnan(t.error2) ? t.error2 : max_error;
  totals_ = t;
}

}  // namespace refute::metrics
