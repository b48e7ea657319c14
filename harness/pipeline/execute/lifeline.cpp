#include "harness/pipeline/execute/lifeline.hpp"

#include <cerrno>
#include <set>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

namespace refute::pipeline {
namespace {

// A session of its own, every signal but SIGKILL ignored, and no descriptor but the pipe: Ctrl-C at
// the terminal must not take the watcher first, and whoever reads our output must see it end with
// us.
void detach(int pipe) {
  ::setsid();
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_IGN);
  ::dup2(pipe, 3);
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) ::dup2(nowhere, fd);
  ::close_range(4, ~0U, 0);
}

[[noreturn]] void watch(int pipe) {
  detach(pipe);
  std::set<pid_t> groups;
  pid_t message = 0;
  for (;;) {
    const ssize_t n = ::read(3, &message, sizeof message);
    if (n < 0 && errno == EINTR) continue;
    if (n != static_cast<ssize_t>(sizeof message)) break;
    if (message > 0) {
      groups.insert(message);
    } else {
      groups.erase(-message);
    }
  }
  for (const pid_t group : groups) ::kill(-group, SIGKILL);
  ::_exit(0);
}

}  // namespace

Lifeline::Lifeline() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return;
  const UniqueFd read_end(fds[0]);
  pipe_ = UniqueFd(fds[1]);
  watcher_ = ::fork();
  if (watcher_ == 0) watch(read_end.get());
}

Lifeline::~Lifeline() {
  pipe_.reset();
  if (watcher_ > 0) {
    while (::waitpid(watcher_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void Lifeline::tell(pid_t message) {
  if (watcher_ < 0) return;
  while (::write(pipe_.get(), &message, sizeof message) < 0 && errno == EINTR) {
  }
}

}  // namespace refute::pipeline
