#pragma once

// The faults that are looked for, one function each: what explains the tensor, if this does.

#include <optional>
#include <span>

#include "harness/instruments/quant_diff_cause_search.hpp"

namespace refute::instruments {

/// Every value has the opposite sign, or is a power of two times what it should be.
std::optional<Cause> scaled_values(CauseSearch& search);

/// A norm to which one was added, or was not: GGUF stores those of gemma so.
std::optional<Cause> one_added(CauseSearch& search);

/// It holds what belongs to another tensor of the same shape (gate and up, queries and keys).
/// `pairs`: all tensors of the two models.
std::optional<Cause> values_of_another(CauseSearch& search, std::span<const TensorPair> pairs);

/// The two 4-bit codes of each byte are swapped, or neighbours are packed together where the format
/// packs halves.
std::optional<Cause> packed_otherwise(CauseSearch& search);

/// Rows of queries and keys are interleaved within heads, as GGUF has them, where they should not
/// be; or are not, or within heads of another size.
std::optional<Cause> rotary_rows(CauseSearch& search);

/// Rows stand in the places of others: all of them further on by one number, around the end, or
/// some (no more than 4096) in any order.
std::optional<Cause> displaced_rows(CauseSearch& search);

/// Columns are stored as rows.
std::optional<Cause> transposed(CauseSearch& search);

/// The same values in the same order, under another shape.
std::optional<Cause> reshaped(CauseSearch& search);

}  // namespace refute::instruments
