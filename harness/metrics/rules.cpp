#include "harness/metrics/rules.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/metrics/census.hpp"
#include "harness/metrics/lanes.hpp"

namespace refute::metrics {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

RuleResult refuse(std::size_t index) {
  return {RuleVerdict::violated, index, kNan, 0, 1};
}

/// How many limits an error is worth. NaN is worth more than anything.
double excess(double error, double limit) {
  if (std::isnan(error) || std::isnan(limit)) return std::numeric_limits<double>::infinity();
  if (limit > 0) return error / limit;
  return error > 0 ? std::numeric_limits<double>::max() : 0;
}

/// Takes one element (or row) into the result; the furthest out so far is kept.
void take_in(RuleResult& result, std::size_t index, double error, double limit) {
  const bool holds = error <= limit;
  result.violations += !holds;
  const bool first = result.verdict == RuleVerdict::no_power;
  if (first || excess(error, limit) > excess(result.error, result.limit)) {
    result.index = index;
    result.error = error;
    result.limit = limit;
  }
  result.verdict = result.violations == 0 ? RuleVerdict::holds : RuleVerdict::violated;
}

bool all_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double x) { return std::isfinite(x); });
}

double rms(std::span<const double> values) {
  const double sum =
      sum_in_lanes(values.size(), [&](std::size_t i) { return values[i] * values[i]; });
  return std::sqrt(sum / static_cast<double>(values.size()));
}

struct RowError {
  double rms = 0, max = 0;
};

RowError row_error(std::span<const float> got, std::span<const double> reference) {
  RowError row;
  const double sum = sum_in_lanes(got.size(), [&](std::size_t i) {
    const double e = double{got[i]} - reference[i];
    // std::max would drop a NaN, and a later number must not replace one.
    if (!(std::fabs(e) <= row.max) && !std::isnan(row.max)) row.max = std::fabs(e);
    return e * e;
  });
  row.rms = std::sqrt(sum / static_cast<double>(got.size()));
  return row;
}

}  // namespace

double ComponentwiseBound::at(double reference, double term_norm) const {
  const double accumulated = lambda * u_acc * std::sqrt(static_cast<double>(terms)) * term_norm;
  return u_out * std::fabs(reference) + accumulated + lambda_mid * u_mid * term_norm;
}

RuleResult check_componentwise(std::span<const float> got, std::span<const double> reference,
                               std::span<const double> term_norm, const ComponentwiseBound& bound) {
  if (got.size() != reference.size() || got.size() != term_norm.size()) return refuse(0);
  RuleResult result;
  if (!all_finite(reference) || !all_finite(term_norm)) return result;
  for (std::size_t i = 0; i < got.size(); ++i) {
    take_in(result, i, std::fabs(double{got[i]} - reference[i]),
            bound.at(reference[i], term_norm[i]));
  }
  return result;
}

RuleResult check_sign_bias(std::span<const float> got, std::span<const double> reference,
                           const SignBias& rule) {
  if (got.size() != reference.size()) return refuse(0);
  std::int64_t sum = 0;
  std::uint64_t errors = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!std::isfinite(reference[i])) return {};
    if (std::isnan(got[i])) return refuse(i);
    const double lean = std::fabs(double{got[i]}) - std::fabs(reference[i]);
    errors += double{got[i]} != reference[i];
    sum += (lean > 0) - (lean < 0);
  }
  const auto n = static_cast<double>(errors);
  RuleResult result{RuleVerdict::no_power, errors, std::fabs(static_cast<double>(sum)), 0, 0};
  result.limit = rule.deviations * std::sqrt(n) + rule.drift * n;
  // A limit of n or more cannot be exceeded by n signs.
  if (errors < rule.least || errors == 0 || result.limit >= n) return result;
  const bool holds = result.error <= result.limit;
  result.verdict = holds ? RuleVerdict::holds : RuleVerdict::violated;
  result.violations = !holds;
  return result;
}

RuleResult check_rows(std::span<const float> got, std::span<const float> baseline,
                      std::span<const double> reference, std::size_t rows, std::size_t cols,
                      const RowRule& rule) {
  const bool fits = cols != 0 && got.size() / cols == rows && got.size() % cols == 0;
  if (!fits || baseline.size() != got.size() || reference.size() != got.size()) return refuse(0);
  RuleResult result;
  if (!all_finite(reference) || !census(baseline).all_finite()) return result;
  const double tensor_rms = rms(reference);
  for (std::size_t row = 0; row < rows; ++row) {
    const auto r = reference.subspan(row * cols, cols);
    const double floor = rule.u_out * std::max(rms(r), rule.floor_share * tensor_rms);
    const RowError e = row_error(got.subspan(row * cols, cols), r);
    const RowError p = row_error(baseline.subspan(row * cols, cols), r);
    const double rms_limit = rule.rms_factor * std::max(p.rms, floor);
    const double max_limit = rule.max_factor * std::max(p.max, rule.floor_factor * floor);
    const bool max_is_worse = excess(e.max, max_limit) > excess(e.rms, rms_limit);
    take_in(result, row, max_is_worse ? e.max : e.rms, max_is_worse ? max_limit : rms_limit);
  }
  return result;
}

RuleResult check_close(std::span<const float> got, std::span<const float> reference,
                       const Closeness& rule) {
  if (const auto at = first_mask_mismatch(got, reference)) return refuse(*at);
  RuleResult result;
  const Census found = census(reference);
  if (found.nan != 0) return result;
  const std::uint64_t finite = reference.size() - found.positive_infinity - found.negative_infinity;
  const double sum = sum_in_lanes(reference.size(), [&](std::size_t i) {
    return std::isfinite(reference[i]) ? double{reference[i]} * double{reference[i]} : 0.0;
  });
  const double reference_rms = finite == 0 ? 0 : std::sqrt(sum / static_cast<double>(finite));
  if (!(rule.atol <= rule.atol_share * reference_rms)) return result;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!std::isfinite(reference[i])) continue;
    const double r = reference[i];
    take_in(result, i, std::fabs(double{got[i]} - r), rule.atol + rule.rtol * std::fabs(r));
  }
  return result;
}

}  // namespace refute::metrics
