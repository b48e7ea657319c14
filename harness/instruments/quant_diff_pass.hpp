#pragma once

// The one pass over two tensors: chunk by chunk, on any number of threads, with the same bits
// whatever their number. A chunk is a whole number of groups and is summed by itself; chunks are
// added in their order.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "harness/instruments/quant_diff.hpp"
#include "harness/instruments/quant_diff_copy.hpp"
#include "harness/metrics/census.hpp"

namespace refute::instruments {

/// What has to be done to a tensor's values before they stand where the other side has them.
struct Adjustment {
  std::size_t heads = 0;  ///< not 0: rows are to be interleaved within each of so many heads
  bool plus_one = false;  ///< the other side stores norms with one added
  bool any() const { return heads != 0 || plus_one; }
};

/// Two tensors of equal shape, or one and what quantising it in memory makes of it.
struct TensorPair {
  const tensor::ModelTensor* reference = nullptr;
  const tensor::ModelTensor* other = nullptr;  ///< null: `as` says what to quantise to
  Adjustment adjust_reference = {}, adjust_other = {};
  /// A block format, ScaledFp8 (of which block_rows and block_cols count) or GroupedNf4.
  tensor::TensorType as = {};
};

/// Values of one side that are not finite.
struct SideCensus {
  metrics::Census counts;            ///< its `first` counts from the chunk; see `first` here
  std::optional<std::size_t> first;  ///< in the tensor
  /// Finite F64 that no f32 holds; not among the infinite ones of `counts`, but among the first.
  std::uint64_t beyond_f32 = 0;
};

struct PairResult {
  double sum_d2 = 0, sum_x2 = 0, sum_y2 = 0, sum_xy = 0;
  float max_abs = 0;
  std::size_t max_abs_index = 0;
  std::uint64_t overflows = 0;  ///< differences beyond f32 between finite values
  SideCensus reference, other;
  WorstGroup worst;
  CodeCheck codes;
  /// What differs though it had to be the same; nothing where no such thing was to be expected.
  std::optional<Changed> changed;
  std::optional<Error> error;  ///< values could not be had; nothing else means anything then
};

/// How a tensor is cut up.
struct ChunkPlan {
  std::size_t group = 1;  ///< values; a row, or about 4096
  bool rows = false;      ///< groups are rows
  std::size_t chunk = 1;  ///< values: a whole number of groups, about 2^16
};
ChunkPlan plan_chunks(std::size_t count, std::size_t cols, std::size_t values_per_block);

struct PassOptions {
  unsigned threads = 1;
  bool thorough = false;                                        ///< see check_codes
  std::function<void(std::size_t, std::size_t)> progress = {};  ///< see DiffOptions
  /// Asked now and then, from any thread; the results mean nothing once it has said yes.
  std::function<bool()> stopped = {};
};

struct PassResult {
  std::vector<PairResult> pairs;  ///< in the order of the question
  ErrorHistogram histogram;
};

PassResult measure_pairs(std::span<const TensorPair> pairs, const PassOptions& options);

}  // namespace refute::instruments
