// Whether two tensors of one stage are close enough.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/instruments/stage_values.hpp"

namespace refute::instruments {
namespace {

using metrics::Metric;

std::string shown(Metric m) {
  return m.defined() ? fmt::format("{:.6g}", m.value()) : std::string(to_string(m.reason()));
}

std::string non_finite_clause(const StageValues& v) {
  const auto side = [](const char* name, const metrics::Census& c) {
    if (c.all_finite()) return fmt::format("{} none", name);
    return fmt::format("{} {} NaN, {} +Inf, {} -Inf, first at {}", name, c.nan, c.positive_infinity,
                       c.negative_infinity, *c.first);
  };
  return fmt::format("values that are not finite: {}; {}", side("A", v.a), side("B", v.b));
}

/// The first limit that does not hold; empty when all do.
std::string exceeded(const StageValues& v, const StageLimits& limits) {
  if (limits.max_abs && !v.max_abs.at_most(*limits.max_abs)) {
    return fmt::format("max|diff| {} at {} is above {:g}", shown(v.max_abs), v.max_abs_index,
                       *limits.max_abs);
  }
  if (!limits.relative) return "";
  if (!v.relative_error.at_most(*limits.relative)) {
    return fmt::format("the relative error {} is above {:g}", shown(v.relative_error),
                       *limits.relative);
  }
  const Metric row = v.worst_row.relative_error;
  const bool no_rows = !row.defined() && row.reason() == metrics::Undefined::empty;
  if (no_rows || row.at_most(*limits.relative)) return "";
  return fmt::format("the relative error of row {}, {}, is above {:g}", v.worst_row.row, shown(row),
                     *limits.relative);
}

bool zeros_would_pass(std::span<const float> a, const StageLimits& limits) {
  if (limits.max_abs) {
    const double limit = *limits.max_abs;
    if (std::ranges::any_of(a, [&](float x) { return std::fabs(double{x}) > limit; })) return false;
  }
  return !limits.relative || *limits.relative >= 1;
}

}  // namespace

StageJudgement judge_values(const StageValues& v, std::span<const float> a,
                            const StageLimits& limits) {
  if (v.non_finite() != 0) return {StageVerdict::non_finite, non_finite_clause(v)};
  if (v.identical) return {StageVerdict::identical, ""};
  if (!limits.max_abs && !limits.relative)
    return {StageVerdict::not_judged, "no --tolerance was given"};
  if (std::string clause = exceeded(v, limits); !clause.empty())
    return {StageVerdict::above, std::move(clause)};
  // Rows of zeros on both sides are equal, whatever the limit.
  if (!v.max_abs.at_most(0) && zeros_would_pass(a, limits))
    return {StageVerdict::no_power, "within a tolerance that a tensor of zeros would meet as well"};
  return {StageVerdict::within, "within the tolerance"};
}

}  // namespace refute::instruments
