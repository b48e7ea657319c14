#pragma once

// Values of one side that are not finite. A slow look, that only a damaged chunk gets.

#include <cstddef>
#include <span>

#include "harness/instruments/quant_diff_pass.hpp"

namespace refute::instruments {

/// values: what reading the adjusted tensor gave from `first` on.
SideCensus census_of(const tensor::ModelTensor& tensor, const Adjustment& adjusted,
                     std::size_t first, std::span<const float> values);

/// Takes in what was found in later values.
void add_side(SideCensus& side, const SideCensus& later);

}  // namespace refute::instruments
