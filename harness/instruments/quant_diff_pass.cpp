#include "harness/instruments/quant_diff_pass.hpp"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>

#include "harness/instruments/quant_diff_source.hpp"
#include "harness/instruments/quantize_encoder.hpp"

namespace refute::instruments {
namespace {

using kernels::RunError;
using kernels::StoredRun;

constexpr std::size_t kLeastRow = 64, kMostRow = 1 << 16;
constexpr std::size_t kBlockGroup = 4096;
constexpr std::size_t kChunk = 1 << 16;
constexpr std::size_t kLookEvery = 64;  // chunks: some milliseconds

std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}

std::size_t offset_of(StoredRun run) {
  return kernels::bytes_of(run.type);
}

StoredRun at(StoredRun run, std::size_t i) {
  return {run.type, static_cast<const char*>(run.data) + i * offset_of(run)};
}

/// What one thread reuses from chunk to chunk.
struct Scratch {
  std::vector<float> x, y;
  std::vector<kernels::GgmlRunError> fused;
  ErrorHistogram histogram;
};

/// One pair and how it is read; made once, used by all threads.
class PairReader {
 public:
  PairReader(const TensorPair& pair, const PassOptions& options);

  const ChunkPlan& plan() const { return plan_; }
  std::size_t chunks() const { return count_ == 0 ? 0 : (count_ - 1) / plan_.chunk + 1; }
  std::size_t bytes_per_chunk() const;
  PairResult measure(std::size_t chunk, Scratch& scratch);
  /// The index of the largest difference, once it is known which chunk has it.
  std::size_t index_of(std::size_t chunk, float max_abs, Scratch& scratch);

 private:
  struct Runs {
    StoredRun x, y;
    std::optional<Error> error;
  };
  std::size_t length(std::size_t chunk) const {
    return std::min(plan_.chunk, count_ - chunk * plan_.chunk);
  }
  Runs read(std::size_t chunk, Scratch& scratch);
  std::optional<Error> fill(std::span<float> x, std::size_t first);
  Changed read_changes(std::size_t first, std::size_t count, const Runs& runs) const;
  bool fused() const;
  std::optional<PairResult> measure_fused(std::size_t chunk, StoredRun x, Scratch& scratch);
  void take_counted(PairResult& result, std::uint64_t different, std::size_t first,
                    std::size_t length) const;
  void take_changes(PairResult& result, std::size_t first, std::size_t count,
                    const Runs& runs) const;
  void take_census(PairResult& result, const Runs& runs, std::size_t first,
                   std::size_t count) const;
  void take_group(PairResult& result, const RunError& e, std::size_t first, std::size_t length,
                  Scratch& scratch) const;

  const TensorPair& pair_;
  std::size_t count_;
  ChunkPlan plan_;
  bool check_, thorough_, lossless_;
  std::optional<StoredRun> x_in_place_, y_in_place_;
  bool counted_ = false;  ///< the sums' own pass counts what differs in a copy
  std::unique_ptr<InMemory> in_memory_;
};

double relative(double sum_d2, double sum_x2) {
  if (sum_d2 == 0) return 0;
  return sum_x2 == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(sum_d2 / sum_x2);
}

metrics::Metric as_metric(double relative_error) {
  if (std::isfinite(relative_error)) return relative_error;
  return metrics::Undefined::zero_reference;
}

/// A group without a reference to compare with is worse than any number.
double badness(const WorstGroup& g) {
  if (g.length == 0) return -1;
  return g.relative_error.defined() ? g.relative_error.value()
                                    : std::numeric_limits<double>::infinity();
}

std::size_t block_of(const TensorPair& pair) {
  const std::size_t x = tensor::values_per_block(pair.reference->type);
  if (pair.other) return std::lcm(x, tensor::values_per_block(pair.other->type));
  return std::lcm(x, tensor::values_per_block(pair.as));
}

PairReader::PairReader(const TensorPair& pair, const PassOptions& options)
    : pair_(pair),
      count_(pair.reference->count),
      plan_(plan_chunks(count_, pair.reference->cols(), block_of(pair))),
      check_(pair.other && !pair.adjust_other.any() &&
             has_code_check(*pair.reference, *pair.other)),
      thorough_(options.thorough),
      x_in_place_(stored_in_place(*pair.reference, pair.adjust_reference)) {
  const auto band = expected_band(pair.reference->type, pair.other ? pair.other->type : pair.as);
  lossless_ = band && band->lossless();
  if (pair.other) {
    y_in_place_ = stored_in_place(*pair.other, pair.adjust_other);
    counted_ = x_in_place_ && y_in_place_ && same_storage(pair);
  } else {
    in_memory_ = std::make_unique<InMemory>(pair, options.threads);
  }
}

std::size_t PairReader::bytes_per_chunk() const {
  const auto share = [&](const tensor::ModelTensor* t) {
    return t ? t->bytes.size() / chunks() : 0;
  };
  return share(pair_.reference) + share(pair_.other);
}

/// Checks need both sides as f32; the sums alone take floats as they are stored.
PairReader::Runs PairReader::read(std::size_t chunk, Scratch& scratch) {
  const std::size_t first = chunk * plan_.chunk, count = length(chunk);
  const bool widen = check_ || !pair_.other;
  const bool f32_in_place = x_in_place_ && x_in_place_->type == kernels::StoredFloat::f32;
  Runs runs;
  if (x_in_place_ && (f32_in_place || !widen)) {
    runs.x = at(*x_in_place_, first);
  } else {
    scratch.x.resize(count);
    runs.error = read_adjusted(*pair_.reference, pair_.adjust_reference, first, scratch.x);
    runs.x = kernels::stored(scratch.x);
  }
  if (runs.error) return runs;
  if (y_in_place_ && !widen) {
    runs.y = at(*y_in_place_, first);
    return runs;
  }
  scratch.y.resize(count);
  if (pair_.other) {
    runs.error = read_adjusted(*pair_.other, pair_.adjust_other, first, scratch.y);
  }
  runs.y = kernels::stored(scratch.y);
  return runs;
}

std::span<const float> floats(StoredRun run, std::size_t count) {
  assert(run.type == kernels::StoredFloat::f32);
  return {static_cast<const float*>(run.data), count};
}

void PairReader::take_group(PairResult& result, const RunError& e, std::size_t first,
                            std::size_t length, Scratch& scratch) const {
  result.sum_d2 += e.sum_d2;
  result.sum_x2 += e.sum_x2;
  result.sum_y2 += e.sum_y2;
  result.sum_xy += e.sum_xy;
  result.max_abs = std::max(result.max_abs, e.max_abs);
  if (std::isinf(e.max_abs)) return;
  const double error = relative(e.sum_d2, e.sum_x2);
  scratch.histogram.add(error);
  if (error <= badness(result.worst)) return;
  result.worst = {.is_row = plan_.rows,
                  .group = first / plan_.group,
                  .first = first,
                  .length = length,
                  .relative_error = as_metric(error)};
}

std::vector<float> widened(StoredRun run, std::size_t count) {
  std::vector<float> values(count);
  if (run.type == kernels::StoredFloat::f32) {
    std::ranges::copy(floats(run, count), values.begin());
    return values;
  }
  const auto format =
      run.type == kernels::StoredFloat::f16 ? kernels::GgmlFormat::f16 : kernels::GgmlFormat::bf16;
  (void)kernels::cpu_simd::ggml_dequantize(
      format, {static_cast<const std::uint8_t*>(run.data), 2 * count}, values);
  return values;
}

/// Takes what is finite as F64 out of the infinite ones. What is adjusted is no F64 any more.
void tell_wide_apart(SideCensus& side, const tensor::ModelTensor& tensor, std::size_t first,
                     std::span<const float> values) {
  for (std::size_t at = 0; at < values.size(); ++at) {
    const auto wide = tensor::beyond_f32(tensor, first + at, values.subspan(at));
    if (!wide) return;
    at += *wide;
    ++side.beyond_f32;
    --(values[at] > 0 ? side.counts.positive_infinity : side.counts.negative_infinity);
  }
}

SideCensus census_of(const tensor::ModelTensor& tensor, const Adjustment& adjusted,
                     std::size_t first, std::span<const float> values) {
  SideCensus side{.counts = metrics::census(values), .first = {}};
  if (!side.counts.first) return side;
  side.first = first + *side.counts.first;
  if (!adjusted.any()) tell_wide_apart(side, tensor, first, values);
  return side;
}

/// Values that are not finite, side by side: a slow look that only a damaged chunk gets.
void PairReader::take_census(PairResult& result, const Runs& runs, std::size_t first,
                             std::size_t count) const {
  const auto a = widened(runs.x, count), b = widened(runs.y, count);
  result.reference = census_of(*pair_.reference, pair_.adjust_reference, first, a);
  if (pair_.other) {
    result.other = census_of(*pair_.other, pair_.adjust_other, first, b);
  } else if (result.reference.counts.all_finite()) {
    result.other.counts = metrics::census(b);
    if (result.other.counts.first) result.other.first = first + *result.other.counts.first;
  }
  for (std::size_t i = 0; i < count; ++i) {
    result.overflows += std::isfinite(a[i]) && std::isfinite(b[i]) && !std::isfinite(a[i] - b[i]);
  }
}

bool PairReader::fused() const {
  return !pair_.other && std::holds_alternative<kernels::GgmlFormat>(pair_.as);
}

/// Quantising, dequantising and comparing without writing either down. Nothing when a value is not
/// finite.
std::optional<PairResult> PairReader::measure_fused(std::size_t chunk, StoredRun x,
                                                    Scratch& scratch) {
  const std::size_t first = chunk * plan_.chunk, count = length(chunk);
  scratch.fused.resize((count + plan_.group - 1) / plan_.group);
  const auto format = std::get<kernels::GgmlFormat>(pair_.as);
  const auto done =
      kernels::cpu_simd::ggml_quantize_error(format, floats(x, count), plan_.group, scratch.fused);
  if (done.status != kernels::GgmlStatus::ok) return std::nullopt;
  PairResult result;
  for (std::size_t g = 0; g < scratch.fused.size(); ++g) {
    const kernels::GgmlRunError& e = scratch.fused[g];
    const std::size_t begin = g * plan_.group;
    if (e.max_abs > result.max_abs) result.max_abs_index = first + begin + e.max_index;
    take_group(result, {e.sum_d2, e.sum_x2, e.sum_y2, e.sum_xy, e.max_abs}, first + begin,
               std::min(plan_.group, count - begin), scratch);
  }
  return result;
}

PairResult PairReader::measure(std::size_t chunk, Scratch& scratch) {
  const std::size_t first = chunk * plan_.chunk, count = length(chunk);
  PairResult result;
  const Runs runs = read(chunk, scratch);
  result.error = runs.error;
  if (runs.error) return result;
  if (fused()) {
    if (auto done = measure_fused(chunk, runs.x, scratch); done && !std::isinf(done->max_abs))
      return *std::move(done);
  }
  if (!pair_.other) {
    const auto x = floats(runs.x, count);
    const bool finite = !absmax_of(x).non_finite;
    if (finite) result.error = in_memory_->round_trip(first, x, scratch.y);
    if (!finite) std::ranges::copy(x, scratch.y.begin());
    if (result.error) return result;
  }
  for (std::size_t begin = 0; begin < count; begin += plan_.group) {
    const std::size_t n = std::min(plan_.group, count - begin);
    const RunError e = kernels::cpu_simd::run_error(at(runs.x, begin), at(runs.y, begin), n);
    take_group(result, e, first + begin, n, scratch);
    if (e.different != 0) take_counted(result, e.different, first + begin, n);
  }
  if (counted_ && !result.changed) result.changed.emplace();
  if (!counted_) take_changes(result, first, count, runs);
  if (std::isinf(result.max_abs)) {
    take_census(result, runs, first, count);
  } else if (check_) {
    result.codes =
        check_codes(*pair_.other, first, floats(runs.x, count), floats(runs.y, count), thorough_);
  }
  return result;
}

std::size_t PairReader::index_of(std::size_t chunk, float max_abs, Scratch& scratch) {
  const Runs runs = read(chunk, scratch);
  if (runs.error) return 0;
  const std::size_t first = chunk * plan_.chunk, count = length(chunk);
  if (!pair_.other && in_memory_->round_trip(first, floats(runs.x, count), scratch.y)) return 0;
  return first + kernels::cpu_simd::run_error_index(runs.x, runs.y, count, max_abs);
}

/// The place of the first one is looked for once a chunk.
void PairReader::take_counted(PairResult& result, std::uint64_t different, std::size_t first,
                              std::size_t length) const {
  if (!counted_) return;
  if (!result.changed) result.changed.emplace();
  const bool begun = result.changed->count != 0;
  result.changed->add({different, begun ? 0 : first_change(pair_, first, length)});
}

void PairReader::take_changes(PairResult& result, std::size_t first, std::size_t count,
                              const Runs& runs) const {
  result.changed = stored_changes(pair_, first, count);
  if (result.changed || !lossless_ || !pair_.other) return;
  result.changed.emplace();
  if (result.max_abs > 0) result.changed = read_changes(first, count, runs);
}

Changed PairReader::read_changes(std::size_t first, std::size_t count, const Runs& runs) const {
  Changed changed;
  for (std::size_t i = 0; i < count; ++i) {
    const bool equal = kernels::cpu_scalar::run_error(at(runs.x, i), at(runs.y, i), 1).max_abs == 0;
    if (!equal) changed.add({1, first + i});
  }
  return changed;
}

void add_side(SideCensus& side, const SideCensus& later) {
  side.counts.nan += later.counts.nan;
  side.counts.positive_infinity += later.counts.positive_infinity;
  side.counts.negative_infinity += later.counts.negative_infinity;
  side.beyond_f32 += later.beyond_f32;
  if (!side.first) side.first = later.first;
}

/// Chunks in their order.
PairResult fold(PairReader& reader, const std::vector<PairResult>& chunks, Scratch& scratch) {
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
  void finish(std::size_t pair, InProgress& state, Scratch& scratch);

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
    const auto plan = plan_chunks(count, pair.reference->cols(), block_of(pair));
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

void Pass::finish(std::size_t pair, InProgress& state, Scratch& scratch) {
  PairResult result = fold(*state.reader, state.chunks, scratch);
  state.reader.reset();
  std::vector<PairResult>().swap(state.chunks);
  const std::lock_guard lock(mutex_);
  result_.pairs[pair] = std::move(result);
}

void Pass::work() {
  Scratch scratch;
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
