#pragma once

// Right results in wrong places: rows that hold other rows' results, or columns other columns'.

#include <span>
#include <vector>

#include "harness/instruments/fault_locator.hpp"

namespace refute::instruments {

/// One name, or none unless every wrong row (or column) of every observation holds the result of
/// another, and all observations show the same kind of disorder.
std::vector<FaultName> misplaced(std::span<const FaultObservation> observations);

}  // namespace refute::instruments
