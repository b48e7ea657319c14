#include "harness/instruments/batches.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace refute::instruments {

struct Batches::Shared {
  std::size_t total, batch;
  const Body& body;
  std::mutex mutex{};
  std::size_t next = 0;
  std::size_t failed_at = 0;
  std::optional<Failure> failure{};

  std::optional<std::size_t> take() {
    const std::lock_guard lock(mutex);
    if (failure || next >= total) return std::nullopt;
    return std::exchange(next, next + std::min(batch, total - next));
  }
  void fail(std::size_t at, Failure why) {
    const std::lock_guard lock(mutex);
    if (failure && failed_at < at) return;
    failed_at = at;
    failure = std::move(why);
  }
};

Batches::Batches(BatchOptions options, std::size_t total)
    : options_(std::move(options)), total_(total), scratch_(std::max(1u, options_.threads)) {}

void Batches::advance(std::size_t count) {
  if (!options_.progress) return;
  const std::lock_guard lock(progress_);
  done_ = std::min(total_, done_ + count);
  options_.progress(done_, total_);
}

void Batches::work(Shared& shared, Scratch& scratch) {
  while (const auto first = shared.take()) {
    if (options_.stopped && options_.stopped())
      return shared.fail(*first, {Failure::Kind::stopped, {"interrupted", ""}});
    const std::size_t count = std::min(shared.batch, shared.total - *first);
    if (auto failure = shared.body(*first, count, scratch))
      return shared.fail(*first, *std::move(failure));
  }
}

std::optional<Failure> Batches::run(std::size_t total, std::size_t batch, const Body& body) {
  Shared shared{.total = total, .batch = batch, .body = body};
  const std::size_t batches = total / batch + (total % batch != 0);
  const std::size_t threads = std::min(scratch_.size(), batches);
  std::vector<std::jthread> others;
  for (std::size_t t = 1; t < threads; ++t)
    others.emplace_back([this, &shared, t] { work(shared, scratch_[t]); });
  work(shared, scratch_[0]);
  others.clear();  // waits for them
  return std::move(shared.failure);
}

}  // namespace refute::instruments
