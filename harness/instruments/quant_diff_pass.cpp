#include "harness/instruments/quant_diff_pass.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <mutex>
#include <thread>

#include "harness/instruments/quant_diff_census.hpp"
#include "harness/instruments/quant_diff_reader.hpp"

namespace refute::instruments {
namespace {

constexpr std::size_t kLeastRow = 64, kMostRow = 1 << 16;
constexpr std::size_t kBlockGroup = 4096;
constexpr std::size_t kChunk = 1 << 16;
constexpr std::size_t kLookEvery = 64;  // chunks: some milliseconds

/// Chunks in their order.
PairResult fold(PairReader& reader, const std::vector<PairResult>& chunks, PassScratch& scratch) {
  PairResult all;
  std::size_t most = 0;
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    const PairResult& chunk = chunks[c];
    if (chunk.error && !all.error) all.error = chunk.error;
    all.sum_d2 += chunk.sum_d2;
    all.sum_x2 += chunk.sum_x2;
    all.sum_y2 += chunk.sum_y2;
    all.sum_xy += chunk.sum_xy;
    all.overflows += chunk.overflows;
    add_side(all.reference, chunk.reference);
    add_side(all.other, chunk.other);
    all.codes.add(chunk.codes);
    if (chunk.changed) {
      if (!all.changed) all.changed.emplace();
      all.changed->add(*chunk.changed);
    }
    if (chunk.max_abs > all.max_abs) all.max_abs = chunk.max_abs, most = c;
    if (badness(chunk.worst) > badness(all.worst)) all.worst = chunk.worst;
  }
  const bool finite = !std::isinf(all.max_abs);
  if (all.max_abs > 0 && finite && !all.error)
    all.max_abs_index = reader.index_of(most, all.max_abs, scratch);
  return all;
}

/// A pair while its chunks are being measured. Readers and results exist only then, so what is in
/// memory does not grow with the files.
struct InProgress {
  std::once_flag begun;
  std::unique_ptr<PairReader> reader;
  std::vector<PairResult> chunks;
  std::atomic<std::size_t> left = 0;
};

/// All chunks of all pairs as one sequence, which the threads take one after the other.
class Pass {
 public:
  Pass(std::span<const TensorPair> pairs, const PassOptions& options);
  PassResult run();

 private:
  void work();
  InProgress& begin(std::size_t pair);
  void finish(std::size_t pair, InProgress& state, PassScratch& scratch);

  std::span<const TensorPair> pairs_;
  const PassOptions& options_;
  std::vector<std::size_t> first_chunk_;  ///< of each pair in the sequence, and the end
  std::vector<InProgress> states_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;  ///< guards what follows
  PassResult result_;
  std::size_t bytes_done_ = 0, bytes_ = 0;
};

std::size_t bytes_of(const TensorPair& pair) {
  return pair.reference->bytes.size() + (pair.other ? pair.other->bytes.size() : 0);
}

Pass::Pass(std::span<const TensorPair> pairs, const PassOptions& options)
    : pairs_(pairs), options_(options), states_(pairs.size()) {
  first_chunk_.push_back(0);
  for (const TensorPair& pair : pairs) {
    const std::size_t count = pair.reference->count;
    const ChunkPlan plan = plan_of(pair);
    first_chunk_.push_back(first_chunk_.back() + (count + plan.chunk - 1) / plan.chunk);
    bytes_ += bytes_of(pair);
  }
  result_.pairs.resize(pairs.size());
}

InProgress& Pass::begin(std::size_t pair) {
  InProgress& state = states_[pair];
  std::call_once(state.begun, [&] {
    state.reader = std::make_unique<PairReader>(pairs_[pair], options_);
    state.chunks.resize(state.reader->chunks());
    state.left = state.chunks.size();
  });
  return state;
}

void Pass::finish(std::size_t pair, InProgress& state, PassScratch& scratch) {
  PairResult result = fold(*state.reader, state.chunks, scratch);
  state.reader.reset();
  std::vector<PairResult>().swap(state.chunks);
  const std::lock_guard lock(mutex_);
  result_.pairs[pair] = std::move(result);
}

void Pass::work() {
  PassScratch scratch;
  std::size_t pair = 0;
  for (;;) {
    const std::size_t at = next_++;
    if (at >= first_chunk_.back()) break;
    if (at % kLookEvery == 0 && options_.stopped && options_.stopped()) stopped_ = true;
    if (stopped_) break;
    while (first_chunk_[pair + 1] <= at) ++pair;
    InProgress& state = begin(pair);
    const std::size_t chunk = at - first_chunk_[pair];
    const std::size_t bytes = state.reader->bytes_per_chunk();
    state.chunks[chunk] = state.reader->measure(chunk, scratch);
    if (--state.left == 0) finish(pair, state, scratch);
    if (!options_.progress) continue;
    const std::lock_guard lock(mutex_);
    bytes_done_ += bytes;
    options_.progress(std::min(bytes_done_, bytes_), bytes_);
  }
  const std::lock_guard lock(mutex_);
  result_.histogram.add(scratch.histogram);
}

PassResult Pass::run() {
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 1; t < options_.threads; ++t) threads.emplace_back([this] { work(); });
    work();
  }
  if (options_.progress) options_.progress(bytes_, bytes_);
  return std::move(result_);
}

std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}

}  // namespace

ChunkPlan plan_chunks(std::size_t count, std::size_t cols, std::size_t values_per_block) {
  ChunkPlan plan;
  plan.rows = cols >= kLeastRow && cols <= kMostRow && cols % values_per_block == 0;
  plan.group = plan.rows ? cols : round_up(kBlockGroup, values_per_block);
  plan.chunk = std::max<std::size_t>(1, kChunk / plan.group) * plan.group;
  if (count <= plan.chunk) plan.chunk = std::max(plan.group, round_up(count, plan.group));
  return plan;
}

PassResult measure_pairs(std::span<const TensorPair> pairs, const PassOptions& options) {
  return Pass(pairs, options).run();
}

}  // namespace refute::instruments
