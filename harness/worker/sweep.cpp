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

/// What the threads of one sweep share.
class Progress {
 public:
  Progress(std::uint64_t begin, std::uint64_t end, std::size_t chunk) : end_(end), chunk_(chunk), next_(begin) {}

  /// The next chunk to do, rising; or none, when all are taken, or one before it has offended, or a thread failed.
  std::optional<std::pair<std::uint64_t, std::size_t>> take() {
    const std::uint64_t first = next_.fetch_add(chunk_);
    if (first >= end_ || first > smallest_.load() || stopped_.load()) return std::nullopt;
    return std::pair{first, static_cast<std::size_t>(std::min<std::uint64_t>(chunk_, end_ - first))};
  }

  void done(std::size_t count) { checked_ += count; }

  void offends(std::uint64_t pattern) {
    std::uint64_t known = smallest_.load();
    while (pattern < known && !smallest_.compare_exchange_weak(known, pattern)) {
    }
  }

  void failed(std::exception_ptr why) {
    const std::lock_guard lock(mutex_);
    if (!why_) why_ = std::move(why);
    stopped_ = true;
  }

  SweepResult result() {
    if (why_) std::rethrow_exception(why_);
    SweepResult r{std::nullopt, checked_.load()};
    if (smallest_.load() != kNone) r.smallest = smallest_.load();
    return r;
  }

 private:
  const std::uint64_t end_, chunk_;
  std::atomic<std::uint64_t> next_, smallest_{kNone}, checked_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::exception_ptr why_;
};

void work(Progress& progress, const std::function<ChunkCheck()>& make_checker) {
  try {
    const ChunkCheck check = make_checker();
    while (const auto chunk = progress.take()) {
      if (const auto offender = check(chunk->first, chunk->second)) progress.offends(*offender);
      progress.done(chunk->second);
    }
  } catch (...) {
    progress.failed(std::current_exception());
  }
}

}  // namespace

SweepResult sweep(std::uint64_t begin, std::uint64_t end, unsigned threads,
                  const std::function<ChunkCheck()>& make_checker, std::size_t chunk) {
  Progress progress(begin, end, chunk);
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) {
    others.emplace_back([&] { work(progress, make_checker); });
  }
  work(progress, make_checker);
  for (std::thread& t : others) t.join();
  return progress.result();
}

}  // namespace refute::worker
