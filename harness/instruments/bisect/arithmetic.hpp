#pragma once

// What an execution path says of its own arithmetic. A floor is derived from it, so whatever rounds
// harder than it declares shows as an error above its floor.

#include <cstddef>

#include "harness/metrics/acceptance_bound.hpp"
#include "harness/model/result.hpp"
#include "harness/tensor/capture_manifest.hpp"

namespace refute::bisect {

struct Arithmetic {
  metrics::Format storage = metrics::Format::f32;      ///< what a stage's output is rounded to
  metrics::Format accumulator = metrics::Format::f32;  ///< of its sums
  bool exact_sums = false;  ///< sums in f64: beside the output's own rounding nothing is lost
  /// Values in a row that share one 8-bit scale, where matrix products read their inputs so; 0:
  /// they read them as they are. llama.cpp's Q8_0 has 32, Q8_K 256.
  std::size_t eight_bit_block = 0;
  /// What a stage read may be known only as it was stored, rounded: an engine that fuses operations
  /// hands the next one what it has in registers. So it is with captures; a unit that is run here
  /// reads what it is given.
  bool fused = false;

  /// The unit round-off of what a plain implementation stores between two operations of a stage.
  double between() const;
  /// What rounding an intermediate costs however small it is: half of the smallest subnormal. A
  /// relative bound alone is too small for values that are subnormal in the format.
  double least_between() const;
  /// The unit round-off of inputs that are known as they were stored, else 0.
  double inputs() const;
  /// Of such inputs, however small.
  double least_input() const;
  metrics::DeclaredPrecision precision() const;
  bool operator==(const Arithmetic&) const = default;
};

/// What rounds as hard as either of the two.
Arithmetic coarser_of(const Arithmetic& a, const Arithmetic& b);

/// From activation_dtype and accumulate_dtype of a capture's manifest, in any case; fused, unless
/// its sums are exact and its values are those of the files. An error names the word that is not
/// known: without a declared arithmetic nothing can be judged.
Result<Arithmetic> declared_arithmetic(const tensor::CapturePath& path);

}  // namespace refute::bisect
