#pragma once

// One stage's output held against the truth of its own inputs: the error that the stage makes, not
// the one that it inherits.

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "harness/instruments/bisect/stage_truth.hpp"

namespace refute::bisect {

struct OwnError {
  /// Largest |error| / bound over the elements; infinite for a value that is not finite, and for an
  /// error where there may be none. At most 1: at or below the floor.
  double ratio = 0;
  std::size_t worst = 0;                ///< the element that has it
  double got = 0, want = 0, bound = 0;  ///< there
  double relative = 0;  ///< ‖error‖₂ / ‖truth‖₂ over the finite elements
  double floor = 0;     ///< ‖bound‖₂ / ‖truth‖₂: what `relative` may reach
  std::size_t non_finite = 0, beyond = 0, count = 0;  ///< beyond: elements above their bound
  std::size_t rows = 1, beyond_rows = 0, beyond_columns = 0;  ///< that hold elements beyond

  std::size_t columns() const { return count / rows; }

  bool exceeds() const { return !(ratio <= 1); }
};

/// Rows are `rows` stretches of equal length: what is wrong in one column only is a weight or a
/// unit.
OwnError own_error(std::span<const float> got, const StageTruth& truth, std::size_t rows = 1);

/// Rows of a stage's output: one per token, and per head where each has its own scores.
std::size_t rows_of(Stage stage, const DecoderConfig& config, std::size_t tokens);

/// Whether every value is finite: of anything else no error can be told.
bool all_finite(std::span<const float> values);

/// Two outputs of one stage beside each other: how far apart two runs are there, whoever's fault it
/// is.
struct Distance {
  double relative = 0;  ///< ‖a - b‖₂ / ‖b‖₂
  double rms = 0, norm_ratio = 1, cosine = 1, worst_row = 0;
  std::size_t worst_row_index = 0;
  std::size_t non_finite = 0;  ///< in a
  bool bitwise = true;
};
/// Rows are `rows` stretches of equal length.
Distance distance(std::span<const float> a, std::span<const float> b, std::size_t rows);

}  // namespace refute::bisect
