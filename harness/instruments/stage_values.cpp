#include "harness/instruments/stage_values.hpp"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "harness/metrics/lanes.hpp"
#include "kernels/run_error.hpp"

namespace refute::instruments {
namespace {

using kernels::RunError;
using metrics::Metric;
using metrics::Undefined;
using Floats = std::span<const float>;

constexpr std::size_t kChunk = 1 << 16;  // values: two of them stay in a second-level cache
constexpr std::size_t kGroup = 4096;     // values summed by themselves where there are no rows
constexpr std::size_t kLeastRow = 64;

struct ChunkSums {
  double d2 = 0, a2 = 0, b2 = 0, ab = 0, max_abs = 0;
  bool same_bits = true;
  metrics::Census a, b;
  std::optional<std::size_t> mask_mismatch;
  WorstStageRow worst;
};

/// What run_error() gives, of finite values whose difference is beyond f32.
RunError wide_error(Floats a, Floats b, double& max_abs) {
  metrics::LaneSums d2{}, a2{}, b2{}, ab{};
  metrics::for_each_in_lanes(a.size(), [&](std::size_t i, std::size_t lane) {
    const double x = a[i], y = b[i], d = y - x;
    d2[lane] += d * d;
    a2[lane] += x * x;
    b2[lane] += y * y;
    ab[lane] += x * y;
    max_abs = std::max(max_abs, std::fabs(d));
  });
  using metrics::fold;
  return {fold(d2), fold(a2), fold(b2), fold(ab), 0};
}

std::optional<std::size_t> beyond(std::optional<std::size_t> index, std::size_t first) {
  return index ? std::optional(*index + first) : std::nullopt;
}

void count_non_finite(ChunkSums& sums, Floats a, Floats b) {
  sums.a = metrics::census(a);
  sums.b = metrics::census(b);
  sums.mask_mismatch = metrics::first_mask_mismatch(b, a);
}

/// √(part / whole), where nothing over nothing is `equal`.
Metric root_ratio(double part, double whole, double equal) {
  if (whole != 0) return std::sqrt(part / whole);
  return part == 0 ? Metric(equal) : Metric(Undefined::zero_reference);
}

/// Whether `candidate` is worse than the worst so far. A row of zeros that the other side does not
/// share has no relative error and is worse than any that has one.
bool is_worse(Metric candidate, Metric worst) {
  const auto rank = [](Metric m) {
    if (m.defined()) return m.value();
    return m.reason() == Undefined::empty ? -1.0 : std::numeric_limits<double>::infinity();
  };
  return rank(candidate) > rank(worst);
}

bool further(const ValuePlace& x, const ValuePlace& y) {
  const double dx = x.distance(), dy = y.distance();
  return dx != dy ? dx > dy : x.index < y.index;
}

/// The furthest of the places that one thread has come by: a heap with the least far in front.
class FurthestPlaces {
 public:
  explicit FurthestPlaces(std::size_t most) : most_(most) {}

  /// Looks through values from `first` on, of which none is further than `max_abs`, rounded to f32.
  /// Rounding keeps the order, so that nothing is overlooked that is further in f64.
  void look(Floats a, Floats b, std::size_t first, float max_abs);
  std::vector<ValuePlace> take() { return std::move(heap_); }

 private:
  void consider(const ValuePlace& place);

  std::size_t most_;
  float limit_ = 0;  ///< a difference has to reach it, rounded
  std::vector<ValuePlace> heap_;
};

void FurthestPlaces::consider(const ValuePlace& place) {
  if (place.distance() == 0) return;
  if (heap_.size() == most_) {
    if (!further(place, heap_.front())) return;
    std::ranges::pop_heap(heap_, further);
    heap_.pop_back();
  }
  heap_.push_back(place);
  std::ranges::push_heap(heap_, further);
  if (heap_.size() == most_) limit_ = static_cast<float>(heap_.front().distance());
}

void FurthestPlaces::look(Floats a, Floats b, std::size_t first, float max_abs) {
  if (max_abs == 0 || max_abs < limit_) return;
  constexpr std::size_t kStep = 32;
  for (std::size_t i = 0; i < a.size(); i += kStep) {
    const std::size_t end = std::min(a.size(), i + kStep);
    bool any = false;
    for (std::size_t j = i; j < end; ++j) any |= !(std::fabs(b[j] - a[j]) < limit_);
    for (std::size_t j = i; any && j < end; ++j) consider({first + j, a[j], b[j]});
  }
}

class Comparison {
 public:
  Comparison(Floats a, Floats b, const StageValueOptions& options)
      : a_(a), b_(b), options_(options), group_(options.row != 0 ? options.row : kGroup) {
    chunk_ = std::max<std::size_t>(1, kChunk / group_) * group_;
    chunks_.resize((a.size() + chunk_ - 1) / chunk_);
  }

  void run();
  StageValues result() const;

 private:
  ChunkSums measure(std::size_t chunk, FurthestPlaces& furthest) const;
  void add_group(ChunkSums& sums, FurthestPlaces& furthest, std::size_t first,
                 std::size_t count) const;
  ChunkSums total() const;

  Floats a_, b_;
  const StageValueOptions& options_;
  std::size_t group_, chunk_;
  std::vector<ChunkSums> chunks_;
  std::vector<ValuePlace> furthest_;
};

void Comparison::add_group(ChunkSums& sums, FurthestPlaces& furthest, std::size_t first,
                           std::size_t count) const {
  const Floats a = a_.subspan(first, count), b = b_.subspan(first, count);
  RunError e = kernels::cpu_simd::run_error(kernels::stored(a), kernels::stored(b), count);
  furthest.look(a, b, first, e.max_abs);
  double max_abs = double{e.max_abs};
  if (std::isinf(max_abs)) {
    if (!metrics::census(a).all_finite() || !metrics::census(b).all_finite()) {
      sums.max_abs = max_abs;
      return;
    }
    max_abs = 0;
    e = wide_error(a, b, max_abs);
  }
  sums.d2 += e.sum_d2;
  sums.a2 += e.sum_x2;
  sums.b2 += e.sum_y2;
  sums.ab += e.sum_xy;
  sums.max_abs = std::max(sums.max_abs, max_abs);
  if (options_.row == 0) return;
  const Metric error = root_ratio(e.sum_d2, e.sum_x2, 0.0);
  if (is_worse(error, sums.worst.relative_error)) sums.worst = {first / group_, error};
}

ChunkSums Comparison::measure(std::size_t chunk, FurthestPlaces& furthest) const {
  const std::size_t begin = chunk * chunk_, end = std::min(a_.size(), begin + chunk_);
  const Floats a = a_.subspan(begin, end - begin), b = b_.subspan(begin, end - begin);
  ChunkSums sums;
  for (std::size_t at = begin; at < end; at += group_)
    add_group(sums, furthest, at, std::min(group_, end - at));
  if (std::isinf(sums.max_abs)) count_non_finite(sums, a, b);
  // Bits can differ where values do not, and a NaN is its own equal in this sense alone.
  sums.same_bits = (sums.max_abs == 0 || std::isinf(sums.max_abs)) &&
                   std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
  return sums;
}

void Comparison::run() {
  const std::size_t threads =
      std::clamp<std::size_t>(chunks_.size(), 1, std::max(1u, options_.threads));
  std::vector<FurthestPlaces> furthest(threads,
                                       FurthestPlaces(std::max<std::size_t>(options_.top, 1)));
  std::atomic<std::size_t> next = 0;
  const auto work = [&](std::size_t thread) {
    for (std::size_t i = next++; i < chunks_.size(); i = next++)
      chunks_[i] = measure(i, furthest[thread]);
  };
  std::vector<std::jthread> others;
  for (std::size_t t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  others.clear();
  for (FurthestPlaces& places : furthest) {
    const auto found = places.take();
    furthest_.insert(furthest_.end(), found.begin(), found.end());
  }
  std::ranges::sort(furthest_, further);
}

ChunkSums Comparison::total() const {
  ChunkSums total;
  const auto add_census = [](metrics::Census& to, const metrics::Census& from, std::size_t first) {
    to.nan += from.nan;
    to.positive_infinity += from.positive_infinity;
    to.negative_infinity += from.negative_infinity;
    if (!to.first) to.first = beyond(from.first, first);
  };
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    const ChunkSums& c = chunks_[i];
    total.d2 += c.d2;
    total.a2 += c.a2;
    total.b2 += c.b2;
    total.ab += c.ab;
    total.max_abs = std::max(total.max_abs, c.max_abs);
    total.same_bits = total.same_bits && c.same_bits;
    add_census(total.a, c.a, i * chunk_);
    add_census(total.b, c.b, i * chunk_);
    if (!total.mask_mismatch) total.mask_mismatch = beyond(c.mask_mismatch, i * chunk_);
    if (is_worse(c.worst.relative_error, total.worst.relative_error)) total.worst = c.worst;
  }
  return total;
}

Metric cosine_of(const ChunkSums& s) {
  if (s.a2 == 0 && s.b2 == 0) return 1.0;
  if (s.a2 == 0 || s.b2 == 0) return Undefined::zero_reference;
  return std::clamp(s.ab / std::sqrt(s.a2) / std::sqrt(s.b2), -1.0, 1.0);
}

StageValues Comparison::result() const {
  const ChunkSums s = total();
  StageValues v;
  v.count = a_.size();
  v.a = s.a;
  v.b = s.b;
  v.mask_mismatch = s.mask_mismatch;
  v.identical = s.same_bits;
  v.top = furthest_;
  if (v.top.size() > 0) v.max_abs_index = v.top[0].index;
  const double largest = v.top.empty() ? 0 : v.top[0].distance();
  if (v.top.size() > options_.top) v.top.resize(options_.top);
  if (a_.empty()) return v;
  if (v.non_finite() != 0) {
    for (Metric* m : {&v.max_abs, &v.rmse, &v.rms_a, &v.rms_b, &v.relative_error, &v.cosine,
                      &v.norm_ratio, &v.worst_row.relative_error})
      *m = Undefined::non_finite;
    return v;
  }
  const auto n = static_cast<double>(v.count);
  v.max_abs = largest;
  v.rmse = std::sqrt(s.d2 / n);
  v.rms_a = std::sqrt(s.a2 / n);
  v.rms_b = std::sqrt(s.b2 / n);
  v.relative_error = root_ratio(s.d2, s.a2, 0.0);
  v.cosine = cosine_of(s);
  v.norm_ratio = root_ratio(s.b2, s.a2, 1.0);
  v.worst_row = s.worst;
  return v;
}

}  // namespace

double ValuePlace::distance() const {
  if (std::isfinite(a) && std::isfinite(b)) return std::fabs(double{b} - double{a});
  return std::memcmp(&a, &b, sizeof a) == 0 ? 0 : std::numeric_limits<double>::infinity();
}

std::uint64_t StageValues::non_finite() const {
  const auto of = [](const metrics::Census& c) {
    return c.nan + c.positive_infinity + c.negative_infinity;
  };
  return of(a) + of(b);
}

StageValues compare_values(Floats a, Floats b, const StageValueOptions& options) {
  assert(a.size() == b.size());
  Comparison comparison(a, b, options);
  comparison.run();
  return comparison.result();
}

std::size_t row_length(const std::vector<std::size_t>& shape) {
  std::size_t length = 1;
  for (auto extent = shape.rbegin(); extent != shape.rend() && length < kLeastRow; ++extent)
    length *= *extent;
  return length;
}

}  // namespace refute::instruments
