#include "harness/pipeline/execute/stop_signal.hpp"

#include <atomic>
#include <cassert>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace refute::pipeline {
namespace {

// A signal handler can reach nothing but globals.
std::atomic<int> caught{0};
std::atomic<int> pipe_read{-1}, pipe_write{-1};

extern "C" void note_signal(int signal) {
  const int saved = errno;
  caught.store(signal);
  const char byte = 1;
  [[maybe_unused]] const ssize_t n = ::write(pipe_write.load(), &byte, 1);
  errno = saved;
}

}  // namespace

StopSignal::StopSignal() {
  assert(pipe_read.load() == -1 && "only one StopSignal at a time");
  int fds[2] = {-1, -1};
  [[maybe_unused]] const int made = ::pipe2(fds, O_CLOEXEC | O_NONBLOCK);
  assert(made == 0);
  caught.store(0);
  pipe_read.store(fds[0]);
  pipe_write.store(fds[1]);
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &old_int_);
  ::sigaction(SIGTERM, &action, &old_term_);
}

StopSignal::~StopSignal() {
  ::sigaction(SIGINT, &old_int_, nullptr);
  ::sigaction(SIGTERM, &old_term_, nullptr);
  ::close(pipe_write.exchange(-1));
  ::close(pipe_read.exchange(-1));
}

int StopSignal::fd() const {
  return pipe_read.load();
}

std::optional<int> StopSignal::signal() const {
  const int signal = caught.load();
  return signal == 0 ? std::nullopt : std::optional(signal);
}

}  // namespace refute::pipeline
