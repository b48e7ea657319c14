#pragma once

// What `refute quantize` says of what it did and did not do.

#include <string>
#include <vector>

#include "harness/instruments/quantize.hpp"

namespace refute::cli {

/// On stderr: every tensor that stays as it is, by the reason, what is left out, and what would
/// quantise rows that the format cannot take.
void tell_kept(const instruments::QuantizePlan& plan);

/// On stderr: a warning for each tensor that lost weights to zero.
void tell_flushed(const std::vector<instruments::FlushedTensor>& flushed);

/// "6 of 104 tensors quantised to q4_k, 32 to q5_0".
std::string quantized_text(const instruments::QuantizePlan& plan);

/// "; 2 of them lost weights to zero (named above)", or nothing.
std::string flushed_summary(const std::vector<instruments::FlushedTensor>& flushed);

}  // namespace refute::cli
