#pragma once

// How far an output is from what some kernel, right or with a fault, would give.

#include <span>
#include <vector>

#include "harness/instruments/fault_locator_table.hpp"

namespace refute::instruments {

/// How far element i is from what a kernel that computes `want` may give: within the observation's
/// bound and `slack` of it, then rounded. Infinite for a NaN on one side only.
double distance(const FaultObservation& o, std::size_t i, double want, FaultRounding how,
                double slack = 0);

/// The sum of the squares of such distances, and how many are not 0. No element counts for more
/// than four times the largest right one, so that a few that a fault has thrown far off, beyond
/// what f32 can hold of them, do not outweigh all others.
struct Misfit {
  double energy = 0;
  std::size_t elements = 0;
};

/// What a whole output, or some of its rows, is like beside a prediction. Each element may be off
/// by what f32 arithmetic adds to its row, beside the bound, which is of what is right: `slack` of
/// the row's largest element, where it is not more than the prediction differs from what is right.
Misfit misfit_of(const FaultObservation& o, const std::vector<double>& want, FaultRounding how,
                 double slack = kFaultArithmetic);
Misfit misfit_of_row(const FaultObservation& o, std::size_t row, std::span<const double> want,
                     FaultRounding how, double slack = kFaultArithmetic);

/// The same beside what is right.
Misfit error_of(const FaultObservation& o);
Misfit error_of_row(const FaultObservation& o, std::size_t row);

/// Up to `count` rows with the largest errors, the worst first.
std::vector<std::size_t> worst_rows(const FaultObservation& o, std::size_t count);

}  // namespace refute::instruments
