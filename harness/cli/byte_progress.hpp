#pragma once

#include <chrono>
#include <cstddef>

namespace refute::cli {

/// How far a long file is read, on stderr: a bar on a terminal, a line now and then elsewhere. What
/// is done within the first moments is never announced.
class ByteProgress {
 public:
  ByteProgress();
  ~ByteProgress() { wipe(); }
  ByteProgress(const ByteProgress&) = delete;
  ByteProgress& operator=(const ByteProgress&) = delete;

  /// One call at a time.
  void show(std::size_t done, std::size_t total);
  void wipe();

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_, drawn_ = false;
  Clock::time_point started_ = Clock::now(), last_;
};

}  // namespace refute::cli
