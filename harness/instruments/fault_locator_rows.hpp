#pragma once

// One row of attention in f64 the way a kernel with some fault would go about it: tile by tile,
// with a running maximum, denominator and output. The default of every field is right.

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>

#include "harness/instruments/fault_locator.hpp"

namespace refute::instruments {

struct RowPlace {
  std::size_t batch = 0, head = 0, row = 0;
  std::size_t seen = 0;    ///< keys that the row sees
  std::size_t shared = 0;  ///< its key head, counted over all entries of the batch
};
RowPlace place_of(const oracles::AttentionProblem& problem, std::size_t row_index);

struct RowModel {
  std::size_t tile = 64;
  std::size_t shared = 0;
  double scale = 1;
  double cap = 0;  ///< scores s become cap·tanh(s/cap); 0: they do not
  /// The row of Q as it lies in memory, and those of K and V: key j is first_row + j·row_step.
  std::optional<std::size_t> query_row, first_row;
  std::size_t row_step = 1;
  std::size_t begin = 0, end = 0;                            ///< keys that are gone through
  std::size_t dims = 0;                                      ///< elements of a dot product
  std::function<double(std::size_t)> times;                  ///< how often key j counts; null: once
  std::function<std::size_t(std::size_t)> key_of, value_of;  ///< where key j is read; null: at j
  /// The score of keys from `seen` on, which a right kernel does not go through.
  std::optional<double> masked_score;
  bool padding = false;  ///< zeros fill up the last tile, and count
  bool base_two = false, keep_sum = false, keep_output = false, rescale_twice = false,
       sum_without_last_tile = false, no_division = false, divide_each_tile = false,
       max_of_first_tile = false;
  bool keys_and_values_swapped = false;
  bool keys_transposed = false, values_transposed = false;  ///< read as [head_dim, seq_kv]
  bool masked_in_sum = false;            ///< keys that are not seen count in the denominator alone
  std::size_t fraction_bits_score = 52;  ///< of Q and K as they are read
  std::size_t fraction_bits_value = 52;  ///< of V
  std::size_t fraction_bits_sum = 52;    ///< of the denominator, after every key that is added
  std::size_t fraction_bits_added = 52;  ///< of a weight, as it is added to that
  std::size_t parts = 1;  ///< the keys are split evenly, and the parts' outputs averaged
  /// What is rounded to the storage format on its way.
  bool round_scores = false, round_weights = false, round_probabilities = false,
       round_rescale = false, round_sum = false, round_output = false, round_query = false;
};

/// The right way to compute the row.
RowModel right_model(const oracles::AttentionProblem& problem, const RowPlace& place,
                     std::size_t tile);

/// out has head_dim elements; zeros where nothing has a weight.
void compute_row(const FaultObservation& o, std::size_t row_index, const RowPlace& place,
                 const RowModel& model, std::span<double> out);

/// The weights of a row, computed rightly: they sum to 1, or are empty.
std::vector<double> row_weights(const FaultObservation& o, std::size_t row_index,
                                const RowPlace& place);

/// The largest score of a row that sees a key; -infinity for one that sees none.
double largest_score(const FaultObservation& o, std::size_t row_index, const RowPlace& place);

}  // namespace refute::instruments
