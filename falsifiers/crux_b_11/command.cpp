#include "falsifiers/crux_b_11/command.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/worker/errors.hpp"

extern char** environ;

namespace refute::falsifiers {
namespace {

constexpr std::size_t kMostSaid = 64u << 10;

std::vector<std::string> replaced(const std::vector<std::string>& with) {
  std::vector<std::string> all = with;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view ours = *entry;
    const std::string_view name = ours.substr(0, ours.find('=') + 1);
    if (std::ranges::none_of(with, [&](const std::string& w) { return w.starts_with(name); }))
      all.emplace_back(ours);
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

/// The record's descriptor is ours alone: a program that wrote to it would forge the verdict.
pid_t spawn(std::vector<std::string> arguments, std::vector<std::string> environment, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  if (::fcntl(3, F_GETFD) != -1) posix_spawn_file_actions_addclose(&actions, 3);
  pid_t child = -1;
  const int error = ::posix_spawn(&child, arguments[0].c_str(), &actions, nullptr,
                                  pointers(arguments).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw worker::JobError(
        fmt::format("`{}` cannot be started: {}", arguments[0], std::strerror(error)));
  }
  return child;
}

std::string read_all(int fd) {
  std::string said;
  char piece[4096];
  for (;;) {
    const ssize_t n = ::read(fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    said.append(piece, static_cast<std::size_t>(n));
    if (said.size() > kMostSaid) said.resize(kMostSaid);
  }
  return said;
}

}  // namespace

CommandEnd run_command(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw worker::JobError(fmt::format("no pipe: {}", std::strerror(errno)));
  pid_t child = -1;
  try {
    child = spawn(arguments, replaced(environment), ends[1]);
  } catch (...) {
    ::close(ends[0]);
    ::close(ends[1]);
    throw;
  }
  ::close(ends[1]);
  CommandEnd end{.exit_status = 0, .said = read_all(ends[0])};
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  end.exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return end;
}

}  // namespace refute::falsifiers
