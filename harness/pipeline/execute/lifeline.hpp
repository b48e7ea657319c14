#pragma once

#include <sys/types.h>

#include "harness/pipeline/execute/unique_fd.hpp"

namespace refute::pipeline {

/// Takes our children with us, also when we are killed with SIGKILL. posix_spawn cannot set a
/// parent-death signal, and such a signal would reach neither grandchildren nor workers in other
/// languages. So one tiny process waits on a pipe: it is told each child's process group, and when
/// the pipe closes because we are gone, it kills those that are left.
class Lifeline {
 public:
  /// Forks; to be made early, while this process is small and has one thread.
  Lifeline();
  ~Lifeline();
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;

  void guard(pid_t group) { tell(group); }
  /// To be called before the leader is reaped: afterwards its number may belong to somebody else.
  void release(pid_t group) { tell(-group); }

 private:
  void tell(pid_t message);

  UniqueFd pipe_;
  pid_t watcher_ = -1;
};

}  // namespace refute::pipeline
