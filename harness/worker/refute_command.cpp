#include "harness/worker/refute_command.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/worker/errors.hpp"

namespace refute::worker {
namespace {

/// Room in memory that a child writes to as to a file: no pipe can fill up, so nobody has to read
/// while it runs.
class Captured {
 public:
  explicit Captured(const char* name) : fd_(::memfd_create(name, MFD_CLOEXEC)) {
    if (fd_ < 0) throw SubjectFailure("no memory to hold what a command says");
  }
  ~Captured() { ::close(fd_); }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;

  int fd() const { return fd_; }
  std::string text() const {
    const off_t size = ::lseek(fd_, 0, SEEK_END);
    if (size < 0 || static_cast<std::size_t>(size) > kMostCommandBytes) {
      throw SubjectFailure("the command said more than it may");
    }
    std::string text(static_cast<std::size_t>(size), '\0');
    std::size_t have = 0;
    while (have < text.size()) {
      const ssize_t n = ::pread(fd_, &text[have], text.size() - have, static_cast<off_t>(have));
      if (n <= 0) throw SubjectFailure("what the command said cannot be read");
      have += static_cast<std::size_t>(n);
    }
    return text;
  }

 private:
  int fd_;
};

std::string_view name_of(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

std::vector<std::string> changed(const std::vector<std::string>& changes) {
  std::vector<std::string> all = changes;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    bool replaced = false;
    for (const std::string& change : changes) replaced |= name_of(change) == name_of(*entry);
    if (!replaced) all.emplace_back(*entry);
  }
  return all;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  for (const std::string& word : words) all.push_back(const_cast<char*>(word.c_str()));
  all.push_back(nullptr);
  return all;
}

pid_t start(const std::string& program, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment, const Captured& out, const Captured& err) {
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.fd(), STDERR_FILENO);
  // The record's descriptor is ours; a command that wrote to it would spoil it.
  posix_spawn_file_actions_addopen(&actions, 3, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, pointers(words).data(),
                                  pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw JobError(fmt::format("`{}` cannot be started: {}", program, std::strerror(error)));
  }
  return pid;
}

int wait_for(pid_t pid, const std::string& program, double time_limit_s) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(time_limit_s);
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) break;
    if (ended < 0 && errno != EINTR) throw SubjectFailure("a command got lost");
    if (Clock::now() > end) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      throw SubjectFailure(fmt::format("`{}` took more than {} s", program, time_limit_s));
    }
    const timespec pause{0, 500'000};
    ::nanosleep(&pause, nullptr);
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::string refute_program() {
  const char* path = std::getenv("REFUTE_COMMAND");
  return path != nullptr ? path : "";
}

CommandAnswer run_command(const std::string& program, const std::vector<std::string>& arguments,
                          const std::vector<std::string>& environment, double time_limit_s) {
  const Captured out("stdout"), err("stderr");
  const pid_t pid = start(program, arguments, changed(environment), out, err);
  CommandAnswer answer;
  answer.status = wait_for(pid, program, time_limit_s);
  answer.out = out.text();
  answer.err = err.text();
  return answer;
}

}  // namespace refute::worker
