#pragma once

// One pair of tensors, chunk by chunk: what is read, summed and checked of each.

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "harness/instruments/quant_diff_pass.hpp"
#include "harness/instruments/quant_diff_source.hpp"
#include "kernels/ggml.hpp"
#include "kernels/run_error.hpp"

namespace refute::instruments {

/// What one thread reuses from chunk to chunk.
struct PassScratch {
  std::vector<float> x, y;
  std::vector<kernels::GgmlRunError> fused;
  ErrorHistogram histogram;
};

/// How the pair is cut up: groups are whole blocks of both sides.
ChunkPlan plan_of(const TensorPair& pair);

/// One pair and how it is read; made once, used by all threads.
class PairReader {
 public:
  PairReader(const TensorPair& pair, const PassOptions& options);

  const ChunkPlan& plan() const { return plan_; }
  std::size_t chunks() const { return count_ == 0 ? 0 : (count_ - 1) / plan_.chunk + 1; }
  std::size_t bytes_per_chunk() const;
  PairResult measure(std::size_t chunk, PassScratch& scratch);
  /// The index of the largest difference, once it is known which chunk has it.
  std::size_t index_of(std::size_t chunk, float max_abs, PassScratch& scratch);

 private:
  struct Runs {
    kernels::StoredRun x, y;
    std::optional<Error> error;
  };
  std::size_t length(std::size_t chunk) const {
    return std::min(plan_.chunk, count_ - chunk * plan_.chunk);
  }
  Runs read(std::size_t chunk, PassScratch& scratch);
  Changed read_changes(std::size_t first, std::size_t count, const Runs& runs) const;
  bool fused() const;
  std::optional<PairResult> measure_fused(std::size_t chunk, kernels::StoredRun x,
                                          PassScratch& scratch);
  void take_counted(PairResult& result, std::uint64_t different, std::size_t first,
                    std::size_t length) const;
  void take_changes(PairResult& result, std::size_t first, std::size_t count,
                    const Runs& runs) const;
  void take_census(PairResult& result, const Runs& runs, std::size_t first,
                   std::size_t count) const;
  void take_group(PairResult& result, const kernels::RunError& e, std::size_t first,
                  std::size_t length, PassScratch& scratch) const;

  const TensorPair& pair_;
  std::size_t count_;
  ChunkPlan plan_;
  bool check_, thorough_, lossless_;
  std::optional<kernels::StoredRun> x_in_place_, y_in_place_;
  bool counted_ = false;  ///< the sums' own pass counts what differs in a copy
  std::unique_ptr<InMemory> in_memory_;
};

/// What orders groups by their error: one without a reference to compare with is worse than any
/// number, and none at all better.
double badness(const WorstGroup& g);

}  // namespace refute::instruments
