#pragma once

// Which simple fault explains a tensor that is beyond its band, if one does: undone, the tensor has
// to be within its band. What was asked of the data is never guessed from names or norms.

#include <span>

#include "harness/instruments/quant_diff.hpp"
#include "harness/instruments/quant_diff_pass.hpp"

namespace refute::instruments {

/// Sets DiffRow::cause of rows that are beyond their band, or of turned-round shape, and have a
/// finding. rows[i] is that of pairs[i]. Reads no more values in all than the diff itself did; what
/// is left over then stays without a cause.
void name_causes(std::span<DiffRow> rows, std::span<const TensorPair> pairs);

}  // namespace refute::instruments
