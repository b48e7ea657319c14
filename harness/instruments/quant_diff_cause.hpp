#pragma once

// Which simple fault explains a tensor that is beyond its band, if one does: undone, the tensor has
// to be within its band. What was asked of the data is never guessed from names or norms.

#include <cstddef>
#include <span>

#include "harness/instruments/quant_diff.hpp"
#include "harness/instruments/quant_diff_pass.hpp"

namespace refute::instruments {

/// How many values the search may read: as many as the diff itself did, or than takes a second.
std::size_t cause_budget(std::span<const TensorPair> pairs);

/// Sets DiffRow::cause of rows that are beyond their band, or of turned-round shape, and have a
/// finding. rows[i] is that of pairs[i]. Gives the number of rows that may have a cause for which
/// the budget did not suffice.
std::size_t name_causes(std::span<DiffRow> rows, std::span<const TensorPair> pairs,
                        std::size_t budget);

}  // namespace refute::instruments
