// The calibrated rule: C3, C1 and C9 over one comparison.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "harness/metrics/acceptance_rules.hpp"
#include "harness/metrics/rules.hpp"

namespace refute::metrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool judgeable(const Comparison& c) {
  const std::size_t n = c.rows * c.cols;
  if (n == 0 || c.got.size() != n || c.reference.size() != n || c.baseline.size() != n ||
      c.plain.size() != n || c.bound.size() != n) {
    return false;
  }
  const auto finite = [](double x) { return std::isfinite(x); };
  return std::ranges::all_of(c.reference, finite) && std::ranges::all_of(c.bound, finite);
}

/// The worst of many errors, each over its limit. A NaN is worse than everything.
struct Worst {
  std::size_t index = 0;
  double ratio = 0;

  void take(std::size_t i, double error, double limit) {
    double r = error / limit;
    if (error == 0) r = 0;
    if (std::isnan(r)) r = kInfinity;
    if (r > ratio) {
      ratio = r;
      index = i;
    }
  }
};

Judgement judgement(bool holds, const char* part, const Worst& worst) {
  return {holds ? Acceptance::accepted : Acceptance::refused, false, part, worst.index,
          worst.ratio};
}

struct RowError {
  double rms = 0, max = 0;
};

RowError error_of(std::span<const float> x, std::span<const double> reference) {
  RowError e;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = std::abs(x[i] - reference[i]);
    e.rms += error * error;
    if (!(error <= e.max)) e.max = std::isnan(error) ? kInfinity : error;
  }
  e.rms = std::sqrt(e.rms / static_cast<double>(x.size()));
  return e;
}

double rms(std::span<const double> x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

}  // namespace

Judgement rounded_componentwise(const Comparison& c) {
  if (!judgeable(c)) return {Acceptance::declined, false, "C3", 0, 0};
  Worst worst;
  bool holds = true;
  for (std::size_t i = 0; i < c.got.size(); ++i) {
    const double got = c.got[i], exact = c.reference[i];
    const double low = nearest(c.format, exact - c.bound[i]);
    const double high = nearest(c.format, exact + c.bound[i]);
    holds &= low <= got && got <= high;
    worst.take(i, std::abs(got - exact), std::max(high - exact, exact - low));
  }
  return judgement(holds, "C3", worst);
}

Judgement rowwise(const Comparison& c, const RowParameters& p) {
  if (!judgeable(c)) return {Acceptance::declined, false, "C1", 0, 0};
  const double tensor_rms = rms(c.reference);
  Worst worst;
  bool holds = true;
  for (std::size_t row = 0; row < c.rows; ++row) {
    const std::size_t at = row * c.cols;
    const auto reference = c.reference.subspan(at, c.cols);
    const RowError e = error_of(c.got.subspan(at, c.cols), reference);
    const RowError b = error_of(c.baseline.subspan(at, c.cols), reference);
    const double floor = unit_roundoff(c.format) * std::max(rms(reference), p.share * tensor_rms) +
                         rms(c.bound.subspan(at, c.cols)) / p.lambda + half_smallest(c.format);
    const double rms_limit = p.rms_factor * std::max(b.rms, floor);
    const double max_limit = p.max_factor * std::max(b.max, p.floor_factor * floor);
    holds &= e.rms <= rms_limit && e.max <= max_limit;
    worst.take(row, e.rms, rms_limit);
    worst.take(row, e.max, max_limit);
  }
  return judgement(holds, "C1", worst);
}

Judgement sign_bias(const Comparison& c, const SignParameters& p) {
  if (!judgeable(c)) return {Acceptance::declined, false, "C9", 0, 0};
  std::vector<float> got;
  std::vector<double> reference;
  for (std::size_t i = 0; i < c.got.size(); ++i) {
    const double half_step = unit_roundoff(c.format) * std::abs(c.reference[i]) / 2;
    if (!(c.bound[i] < p.ruled * half_step)) continue;
    got.push_back(c.got[i]);
    reference.push_back(c.reference[i]);
  }
  const RuleResult r = check_sign_bias(got, reference, SignBias{p.deviations, p.drift, p.least});
  switch (r.verdict) {
    case RuleVerdict::holds:
      return {Acceptance::accepted, false, "C9", r.index, std::abs(r.error) / r.limit};
    case RuleVerdict::violated:
      return {Acceptance::refused, false, "C9", r.index,
              r.limit > 0 ? std::abs(r.error) / r.limit : kInfinity};
    case RuleVerdict::no_power:
      break;
  }
  return {Acceptance::accepted, true, "C9", 0, 0};
}

Judgement contract_rule(const Comparison& c, const ContractParameters& p) {
  Judgement all = rounded_componentwise(c);
  if (all.acceptance != Acceptance::accepted) return all;
  for (const Judgement& part : {rowwise(c, p.row), sign_bias(c, p.sign)}) {
    if (part.acceptance != Acceptance::accepted) return part;
    if (part.ratio > all.ratio && !part.powerless) all = part;
  }
  return all;
}

}  // namespace refute::metrics
