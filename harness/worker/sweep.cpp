#include "harness/worker/sweep.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

namespace refute::worker {
namespace {

constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

/// The chunks to go through, rising: all of a range, or a list of starts.
struct Plan {
  std::uint64_t begin, end, chunk;
  std::vector<std::uint64_t> starts;  ///< empty: the whole range

  std::optional<std::uint64_t> start(std::uint64_t i) const {
    if (starts.empty())
      return begin + i * chunk < end ? std::optional(begin + i * chunk) : std::nullopt;
    return i < starts.size() ? std::optional(starts[i]) : std::nullopt;
  }

  /// How many patterns come before this one.
  std::uint64_t before(std::uint64_t pattern) const {
    if (starts.empty()) return pattern - begin;
    const auto after = std::ranges::upper_bound(starts, pattern);
    return static_cast<std::uint64_t>(after - starts.begin() - 1) * chunk +
           (pattern - *(after - 1));
  }
};

/// What the threads of one sweep share.
class Progress {
 public:
  explicit Progress(Plan plan) : plan_(std::move(plan)) {}

  /// The next chunk to do, rising; or none, when all are taken, or one before it has offended, or a
  /// thread failed.
  std::optional<std::pair<std::uint64_t, std::size_t>> take() {
    const auto first = plan_.start(next_.fetch_add(1));
    if (!first || *first > smallest_.load() || stopped_.load()) return std::nullopt;
    return std::pair{*first, static_cast<std::size_t>(std::min(plan_.chunk, plan_.end - *first))};
  }

  void done(std::size_t count) { checked_ += count; }

  void offends(std::uint64_t pattern) {
    std::uint64_t known = smallest_.load();
    while (pattern < known && !smallest_.compare_exchange_weak(known, pattern)) {
    }
  }

  /// An exception in the chunk from `first` on. The first in order counts, not in time.
  void failed(std::uint64_t first, std::exception_ptr why) {
    const std::lock_guard lock(mutex_);
    if (!why_ || first < failed_at_) why_ = std::move(why), failed_at_ = first;
    stopped_ = true;
  }

  SweepResult result() {
    const std::uint64_t smallest = smallest_.load();
    if (why_ && failed_at_ <= smallest) std::rethrow_exception(why_);
    if (smallest == kNone) return {std::nullopt, checked_.load()};
    return {smallest,
            plan_.before(smallest) + 1};  // what other threads did beyond it depends on chance
  }

 private:
  const Plan plan_;
  std::atomic<std::uint64_t> next_{0}, smallest_{kNone}, checked_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::exception_ptr why_;
  std::uint64_t failed_at_ = 0;
};

void work(Progress& progress, const MakeChecker& make_checker) {
  std::uint64_t at = 0;
  try {
    const ChunkCheck check = make_checker();
    while (const auto chunk = progress.take()) {
      at = chunk->first;
      if (const auto offender = check(chunk->first, chunk->second)) progress.offends(*offender);
      progress.done(chunk->second);
    }
  } catch (...) {
    progress.failed(at, std::current_exception());
  }
}

SweepResult go_through(Plan plan, unsigned threads, const MakeChecker& make_checker) {
  Progress progress(std::move(plan));
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) {
    others.emplace_back([&] { work(progress, make_checker); });
  }
  work(progress, make_checker);
  for (std::thread& t : others) t.join();
  return progress.result();
}

/// Where the chunks begin that hold a landmark, or the value before it.
std::vector<std::uint64_t> chunks_around(std::span<const std::uint64_t> landmarks,
                                         const Plan& whole) {
  std::vector<std::uint64_t> starts;
  for (std::uint64_t landmark : landmarks) {
    for (std::uint64_t value : {landmark - (landmark > whole.begin), landmark}) {
      if (value < whole.begin || value >= whole.end) continue;
      starts.push_back(value - (value - whole.begin) % whole.chunk);
    }
  }
  std::ranges::sort(starts);
  starts.erase(std::ranges::unique(starts).begin(), starts.end());
  return starts;
}

}  // namespace

SweepResult sweep(std::uint64_t begin, std::uint64_t end, unsigned threads,
                  const MakeChecker& make_checker, std::size_t chunk) {
  return go_through({begin, end, chunk, {}}, threads, make_checker);
}

SweepResult sweep_around(std::span<const std::uint64_t> landmarks, std::uint64_t begin,
                         std::uint64_t end, unsigned threads, const MakeChecker& make_checker,
                         std::size_t chunk) {
  Plan plan{begin, end, chunk, {}};
  plan.starts = chunks_around(landmarks, plan);
  if (plan.starts.empty()) return {};
  return go_through(std::move(plan), threads, make_checker);
}

}  // namespace refute::worker
