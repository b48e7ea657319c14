#pragma once

#include <optional>

#include <signal.h>

namespace refute::pipeline {

/// While it lives, the first SIGINT or SIGTERM is noted instead of ending the process; a second one
/// ends it. One at a time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// Becomes readable once a signal has come; stays readable.
  int fd() const;
  std::optional<int> signal() const;

 private:
  struct sigaction old_int_ {
  }, old_term_{};
};

}  // namespace refute::pipeline
