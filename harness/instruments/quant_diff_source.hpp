#pragma once

// Where the values of a pair come from: read where they lie, widened, dequantised, adjusted, or
// quantised in memory.

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "harness/instruments/quant_diff_pass.hpp"
#include "kernels/run_error.hpp"

namespace refute::instruments {

/// The tensor's values where they lie, if the pass can read them there: F32, F16 or BF16, aligned,
/// not to be adjusted.
std::optional<kernels::StoredRun> stored_in_place(const tensor::ModelTensor& tensor,
                                                  const Adjustment& adjust);

/// Values first … first + out.size() − 1 of what the adjusted tensor is; whole rows where rows are
/// interleaved.
std::optional<Error> read_adjusted(const tensor::ModelTensor& tensor, const Adjustment& adjust,
                                   std::size_t first, std::span<float> out);

/// In which row of the tensor row `row` of the adjusted one stands: what converting to GGUF does to
/// queries and keys of the llama family, where each head's two halves are interleaved.
std::size_t source_row(std::size_t row, std::size_t rows, std::size_t heads);

/// Quantises in memory, piece by piece, to what `as` says. Scales that serve more than a piece are
/// found in a pass of their own, on so many threads, when it is made.
class InMemory {
 public:
  InMemory(const TensorPair& pair, unsigned threads);

  /// y[i] = what x[i], value first + i of the tensor, becomes. All finite; whole blocks.
  std::optional<Error> round_trip(std::size_t first, std::span<const float> x, std::span<float> y);

 private:
  const TensorPair& pair_;
  std::size_t cols_;
  std::vector<float> scales_;  ///< of FP8 by tensor
};

}  // namespace refute::instruments
