#pragma once

#include <cstddef>
#include <set>

#include "harness/instruments/fault_locator.hpp"

namespace refute::instruments {

/// Sets what the wrong rows of an output agree in, the sharpest of it: a key, a key's distance from
/// the last that a row sees, its place in its tile, or a tile. Nothing where they do not agree, or
/// where the way of a row's error could be that of several.
void point_to_keys(const FaultObservation& observation, const std::set<std::size_t>& wrong_rows,
                   std::size_t tile, FaultPlace& place);

}  // namespace refute::instruments
