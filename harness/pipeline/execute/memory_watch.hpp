#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>

#include <sys/types.h>

namespace refute::pipeline {

/// Watches resident memory from outside. An address-space limit cannot serve: sanitizers and CUDA
/// reserve terabytes. What a process takes and gives back between two looks goes unseen.
class MemoryWatch {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kTick{50};

  bool due(Clock::time_point now) const { return now >= next_look_; }
  Clock::time_point next_look() const { return next_look_; }

  /// Resident KiB per process group, given the pids of their leaders. Looks at the leaders each
  /// time and walks all of /proc for the rest of their groups less often, so that the walk costs
  /// about one hundredth of one core at most. Pages shared inside a group count once for each
  /// process.
  std::map<pid_t, std::int64_t> look(std::span<const pid_t> leaders);

 private:
  Clock::time_point next_look_ = Clock::now() + kTick;
  Clock::time_point next_walk_ = next_look_;
};

}  // namespace refute::pipeline
