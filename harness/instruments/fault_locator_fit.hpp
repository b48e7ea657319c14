#pragma once

// Faults with a number of their own: a factor, a limit, a window, a key.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/instruments/fault_locator_table.hpp"

namespace refute::instruments {

/// Changes the right model of a row; false where the fault cannot be.
using RowChange = std::function<bool(const oracles::AttentionProblem&, const RowPlace&, RowModel&)>;

struct FittedFault {
  std::string name, sentence;
  RowChange change;
};

/// Faults of rows with the number that comes nearest to the worst rows of `worst`, which is one of
/// `all`. Whether a fault then explains anything is not asked here.
std::vector<FittedFault> fitted_faults(std::span<const FaultObservation> all,
                                       const FaultObservation& worst, std::size_t tile);

}  // namespace refute::instruments
