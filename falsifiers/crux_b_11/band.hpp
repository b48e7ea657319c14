#pragma once

#include <optional>
#include <span>
#include <string>

#include "harness/worker/context.hpp"
#include "harness/worker/subjects/fp8_subject.hpp"
#include "kernels/fp8.hpp"

namespace refute::falsifiers {

/// The relative Frobenius error of one round trip, as a whole and where it is worst.
struct RoundTripError {
  double pooled = 0;
  double worst_row = 0, worst_block = 0;  ///< the pooled value can hide a row that is gone
  std::size_t worst_row_index = 0;
};

/// A round trip through the subject in E4M3, ties to even, satfinite. A subject that refuses the
/// tensor or leaves a value that is not finite gets an error in words.
struct RoundTripResult {
  std::optional<RoundTripError> error;
  std::string problem;
};
RoundTripResult round_trip_error(worker::Fp8Subject& subject, std::span<const float> w,
                                 const kernels::Fp8Layout& layout);

/// The same by the oracle alone: what the inputs themselves allow to be seen.
double reference_error(std::span<const float> w, const kernels::Fp8Layout& layout);

/// Whether a tensor can tell a right round trip from a wrong one. An error below the band has two
/// possible causes: the input loses less than the format must (already quantised, or ruled by one
/// outlier), or the subject does (then it is no E4M3 round trip). The oracle's own error on the
/// input tells them apart.
bool has_power(double pooled, std::span<const float> w, const kernels::Fp8Layout& layout,
               double low);

}  // namespace refute::falsifiers
