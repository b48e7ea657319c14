#include "harness/instruments/quant_diff_reader.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "harness/instruments/quant_diff_census.hpp"
#include "harness/instruments/quantize_encoder.hpp"

namespace refute::instruments {
namespace {

using kernels::RunError;
using kernels::StoredRun;

std::size_t offset_of(StoredRun run) {
  return kernels::bytes_of(run.type);
}

StoredRun at(StoredRun run, std::size_t i) {
  return {run.type, static_cast<const char*>(run.data) + i * offset_of(run)};
}

double relative(double sum_d2, double sum_x2) {
  if (sum_d2 == 0) return 0;
  return sum_x2 == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(sum_d2 / sum_x2);
}

metrics::Metric as_metric(double relative_error) {
  if (std::isfinite(relative_error)) return relative_error;
  return metrics::Undefined::zero_reference;
}

std::size_t block_of(const TensorPair& pair) {
  const std::size_t x = tensor::values_per_block(pair.reference->type);
  if (pair.other) return std::lcm(x, tensor::values_per_block(pair.other->type));
  return std::lcm(x, tensor::values_per_block(pair.as));
}

std::span<const float> floats(StoredRun run, std::size_t count) {
  assert(run.type == kernels::StoredFloat::f32);
  return {static_cast<const float*>(run.data), count};
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

}  // namespace

double badness(const WorstGroup& g) {
  if (g.length == 0) return -1;
  return g.relative_error.defined() ? g.relative_error.value()
                                    : std::numeric_limits<double>::infinity();
}

ChunkPlan plan_of(const TensorPair& pair) {
  return plan_chunks(pair.reference->count, pair.reference->cols(), block_of(pair));
}

PairReader::PairReader(const TensorPair& pair, const PassOptions& options)
    : pair_(pair),
      count_(pair.reference->count),
      plan_(plan_of(pair)),
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
PairReader::Runs PairReader::read(std::size_t chunk, PassScratch& scratch) {
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

void PairReader::take_group(PairResult& result, const RunError& e, std::size_t first,
                            std::size_t length, PassScratch& scratch) const {
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
                                                    PassScratch& scratch) {
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

PairResult PairReader::measure(std::size_t chunk, PassScratch& scratch) {
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

std::size_t PairReader::index_of(std::size_t chunk, float max_abs, PassScratch& scratch) {
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

}  // namespace refute::instruments
