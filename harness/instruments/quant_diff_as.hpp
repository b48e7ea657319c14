#pragma once

// A model against what quantising it in memory gives: nothing is written.

#include <optional>

#include "harness/instruments/quant_diff.hpp"
#include "harness/instruments/quantize_target.hpp"

namespace refute::instruments {

/// What the tensor becomes; nothing for what `quantize` leaves alone (see why_kept).
std::optional<tensor::TensorType> quantised_type(const tensor::ModelTensor& tensor,
                                                 const QuantizeOptions& as);

/// Rows only of the tensors that are quantised; notes count the others. The numbers are bit for bit
/// those of quantising to a file and comparing with that.
Result<DiffReport> diff_in_memory(const tensor::ModelFile& model, const QuantizeOptions& as,
                                  const DiffOptions& options);

}  // namespace refute::instruments
