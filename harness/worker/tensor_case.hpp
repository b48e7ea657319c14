#pragma once

#include <cstdint>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/model/value.hpp"
#include "harness/worker/domains.hpp"

namespace refute::worker {

/// One element that is set by hand after the family has filled the tensor.
struct Special {
  std::uint32_t position;  ///< taken modulo the tensor's size
  std::uint32_t bits;
  bool operator==(const Special&) const = default;
};

/// A generated row-major tensor, as the few numbers that it follows from: what is drawn, shrunk,
/// reported and replayed.
struct TensorCase {
  std::uint32_t rows = 1, cols = 1;
  Family family = Family::zeros;
  std::uint64_t seed = 0;
  std::vector<Special> specials;

  std::size_t size() const { return std::size_t{rows} * cols; }
  bool operator==(const TensorCase&) const = default;
};

/// Which cases there are.
struct CaseSpace {
  std::vector<Family> families;
  std::uint32_t min_rows = 1, max_rows = 1;
  std::uint32_t min_cols = 1, max_cols = 1;
  std::uint32_t column_step = 1;  ///< cols are multiples of it
  std::uint32_t max_specials = 0;
  bool finite_specials = true;  ///< no NaN and no infinity among them
};

/// The tensor itself; `out` is resized.
void expand(const TensorCase& c, std::vector<float>& out);

/// Simpler neighbours of a case inside the space, the boldest step first.
std::vector<TensorCase> simpler(const TensorCase& c, const CaseSpace& space);

/// As a counterexample: {rows, cols, family, seed, specials: [[position, "0xbits"], …]}.
Value to_value(const TensorCase& c);
/// Back again; everything is checked, and the size bounded, because a replay may come from
/// anywhere.
Result<TensorCase> tensor_case_from(const Value& value);

}  // namespace refute::worker
