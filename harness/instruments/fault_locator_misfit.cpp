#include "harness/instruments/fault_locator_misfit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace refute::instruments {
namespace {

constexpr double kMostOfLargest = 4;

double away_from_zero(metrics::Format f, double x) {
  const double near = metrics::nearest(f, x);
  if (std::abs(near) >= std::abs(x)) return near;
  const double outward = std::copysign(std::numeric_limits<double>::infinity(), x);
  return near + std::copysign(2 * metrics::half_step_towards(f, near, outward), x);
}

double rounded(metrics::Format f, FaultRounding how, double x) {
  switch (how) {
    case FaultRounding::nearest:
      return metrics::nearest(f, x);
    case FaultRounding::truncated:
      return metrics::truncated(f, x);
    case FaultRounding::away:
      return away_from_zero(f, x);
  }
  return x;
}

double largest(std::span<const double> x) {
  double most = 0;
  for (const double value : x) most = std::max(most, std::abs(value));
  return most;
}

void add_row(const FaultObservation& o, std::size_t row, std::span<const double> want,
             FaultRounding how, double slack, double cap, Misfit& m) {
  for (std::size_t x = 0; x < want.size(); ++x) {
    const double d = std::min(distance(o, row * want.size() + x, want[x], how, slack), cap);
    m.energy += d * d;
    m.elements += d != 0;
  }
}

std::span<const double> row_of(const FaultObservation& o, const std::vector<double>& x,
                               std::size_t row) {
  return std::span(x).subspan(row * o.problem.head_dim, o.problem.head_dim);
}

std::size_t rows_of(const FaultObservation& o) {
  return o.exact.size() / o.problem.head_dim;
}

/// A wide slack is for rows that a prediction moves by more than it; others are right, or not.
double slack_of(const FaultObservation& o, std::size_t row, std::span<const double> want,
                double slack) {
  const double most = largest(want);
  if (slack <= kFaultArithmetic) return slack * most;
  double moved = 0;
  for (std::size_t x = 0; x < want.size(); ++x) {
    moved = std::max(moved, std::abs(want[x] - o.exact[row * want.size() + x]));
  }
  return (moved > slack * most ? slack : kFaultArithmetic) * most;
}

double cap_of(const FaultObservation& o) {
  return kMostOfLargest * largest(o.exact);
}

}  // namespace

double distance(const FaultObservation& o, std::size_t i, double want, FaultRounding how,
                double slack) {
  const double got = o.actual[i];
  if (std::isnan(want) || std::isnan(got)) {
    return std::isnan(want) && std::isnan(got) ? 0 : std::numeric_limits<double>::infinity();
  }
  const double low = rounded(o.format, how, want - o.bound[i] - slack);
  const double high = rounded(o.format, how, want + o.bound[i] + slack);
  if (low <= got && got <= high) return 0;
  return got < low ? low - got : got - high;
}

Misfit misfit_of_row(const FaultObservation& o, std::size_t row, std::span<const double> want,
                     FaultRounding how, double slack) {
  Misfit m;
  add_row(o, row, want, how, slack_of(o, row, want, slack), cap_of(o), m);
  return m;
}

Misfit misfit_of(const FaultObservation& o, const std::vector<double>& want, FaultRounding how,
                 double slack) {
  Misfit m;
  const double cap = cap_of(o);
  for (std::size_t r = 0; r < rows_of(o); ++r) {
    const auto row = row_of(o, want, r);
    add_row(o, r, row, how, slack_of(o, r, row, slack), cap, m);
  }
  return m;
}

Misfit error_of_row(const FaultObservation& o, std::size_t row) {
  Misfit m;
  add_row(o, row, row_of(o, o.exact, row), FaultRounding::nearest, 0, cap_of(o), m);
  return m;
}

Misfit error_of(const FaultObservation& o) {
  Misfit m;
  const double cap = cap_of(o);
  for (std::size_t r = 0; r < rows_of(o); ++r) {
    add_row(o, r, row_of(o, o.exact, r), FaultRounding::nearest, 0, cap, m);
  }
  return m;
}

std::vector<std::size_t> worst_rows(const FaultObservation& o, std::size_t count) {
  std::vector<std::pair<double, std::size_t>> all;
  const double cap = cap_of(o);
  for (std::size_t r = 0; r < rows_of(o); ++r) {
    Misfit m;
    add_row(o, r, row_of(o, o.exact, r), FaultRounding::nearest, 0, cap, m);
    if (m.elements > 0) all.emplace_back(-m.energy, r);
  }
  std::ranges::sort(all);
  if (all.size() > count) all.resize(count);
  std::vector<std::size_t> rows;
  for (const auto& [energy, row] : all) rows.push_back(row);
  return rows;
}

}  // namespace refute::instruments
