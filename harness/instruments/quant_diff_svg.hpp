#pragma once

#include <string>

#include "harness/instruments/quant_diff.hpp"

namespace refute::instruments {

/// A picture of the diff: above, each tensor's relative error over its layer, with the band that a
/// healthy quantiser keeps to; below, how many rows and blocks have which relative error. Both
/// axes of errors are logarithmic. Tensors with findings are red. Plain SVG, no script, readable on
/// light and dark grounds.
std::string diff_svg(const DiffReport& report);

}  // namespace refute::instruments
