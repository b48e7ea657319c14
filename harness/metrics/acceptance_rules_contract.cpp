// The calibrated rule: C3, C1 and C9 over one comparison.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "harness/metrics/acceptance_rules.hpp"

namespace refute::metrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

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

/// Declined without a usable criterion, refused for a wrong size; nothing when rules can look.
std::optional<Judgement> unjudgeable(const Comparison& c, const char* part) {
  if (!c.criterion().usable()) return Judgement{Acceptance::declined, false, part, 0, 0};
  if (!c.same_size()) return Judgement{Acceptance::refused, false, part, 0, kInfinity};
  return std::nullopt;
}

}  // namespace

Judgement rounded_componentwise(const Comparison& c) {
  if (const auto j = unjudgeable(c, "C3")) return *j;
  const CriterionData& d = c.criterion().data();
  const std::vector<double>&low = c.criterion().low(), &high = c.criterion().high();
  Worst worst;
  bool holds = true;
  for (std::size_t i = 0; i < d.reference.size(); ++i) {
    const double got = c.got()[i], exact = d.reference[i];
    holds &= low[i] <= got && got <= high[i];
    if (std::abs(got - exact) <= worst.ratio * d.bound[i]) continue;  // milder than the worst
    // What is left of the error after the output's own rounding is what the bound is for.
    const double rounding = std::isfinite(got) ? half_step_towards(d.format, got, exact) : 0;
    const double before = std::abs(got - exact) - rounding;
    worst.take(i, before <= 0 ? 0 : before, d.bound[i]);
  }
  return judgement(holds, "C3", worst);
}

Judgement rowwise(const Comparison& c, const RowParameters& p) {
  if (const auto j = unjudgeable(c, "C1")) return *j;
  const CriterionData& d = c.criterion().data();
  Worst worst;
  bool holds = true;
  for (std::size_t row = 0; row < d.rows; ++row) {
    const Criterion::Row& scale = c.criterion().row_scales()[row];
    const ErrorSize e = error_size(c.got().subspan(row * d.cols, d.cols),
                                   std::span(d.reference).subspan(row * d.cols, d.cols));
    const double floor =
        unit_roundoff(d.format) * std::max(scale.rms, p.share * c.criterion().rms()) +
        half_smallest(d.format);
    const double rms_limit =
        std::max(p.rms_factor * std::max(scale.baseline_rms, floor), scale.bound_rms);
    const double max_limit = std::max(
        p.max_factor * std::max(scale.baseline_max, p.floor_factor * floor), scale.bound_max);
    holds &= e.rms <= rms_limit && e.max <= max_limit;
    worst.take(row, e.rms, rms_limit);
    worst.take(row, e.max, max_limit);
  }
  return judgement(holds, "C1", worst);
}

SignLean sign_lean(const Comparison& c, double ruled) {
  const CriterionData& d = c.criterion().data();
  std::int64_t lean = 0, errors = 0;
  for (std::size_t i = 0; i < d.reference.size(); ++i) {
    const double size = std::abs(d.reference[i]);
    const double half_step = unit_roundoff(d.format) * size / 2;
    const double got = std::abs(c.got()[i]);
    if (!(d.bound[i] < ruled * half_step) || got == size) continue;
    const double rounded = std::abs(c.criterion().rounded()[i]);
    ++errors;
    lean += ((got > size) - (got < size)) - ((rounded > size) - (rounded < size));
  }
  return {static_cast<double>(lean), static_cast<double>(errors)};
}

Judgement sign_bias(const Comparison& c, const SignParameters& p) {
  if (const auto j = unjudgeable(c, "C9")) return *j;
  const auto [lean, n] = sign_lean(c, p.ruled);
  if (n < static_cast<double>(p.least)) return {Acceptance::accepted, true, "C9", 0, 0};
  const double ratio = std::abs(lean) / (p.deviations * std::sqrt(n) + p.drift * n);
  return {ratio <= 1 ? Acceptance::accepted : Acceptance::refused, false, "C9", 0, ratio};
}

ContractParts contract_parts(const Comparison& c, const ContractParameters& p) {
  return {rounded_componentwise(c), rowwise(c, p.row), sign_bias(c, p.sign)};
}

Judgement combined(const ContractParts& parts) {
  Judgement all = parts.c3;
  if (all.acceptance != Acceptance::accepted) return all;
  for (const Judgement& part : {parts.c1, parts.c9}) {
    if (part.acceptance != Acceptance::accepted) return part;
    if (part.ratio > all.ratio && !part.powerless) all = part;
  }
  return all;
}

Judgement contract_rule(const Comparison& c, const ContractParameters& p) {
  return combined(contract_parts(c, p));
}

}  // namespace refute::metrics
