#pragma once

// What stored codes say of a tensor: findings where they are wrong, notes where another quantiser
// chose otherwise. Pure.

#include "harness/instruments/quant_diff.hpp"
#include "harness/instruments/quant_diff_pass.hpp"

namespace refute::instruments {

/// Adds to a row that has its metrics, band and codes.
void judge_codes(DiffRow& row, const TensorPair& pair);

}  // namespace refute::instruments
