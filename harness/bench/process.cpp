#include "harness/bench/process.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace refute::bench {
namespace {

using Clock = std::chrono::steady_clock;

pid_t spawn_quietly(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO})
    ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(fmt::format("{} cannot be started", arguments[0]));
  return child;
}

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
}

}  // namespace

ProcessTime time_process(const std::vector<std::string>& arguments) {
  const auto start = Clock::now();
  const pid_t child = spawn_quietly(arguments);
  int status = 0;
  rusage usage{};
  while (::wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  const std::chrono::duration<double> took = Clock::now() - start;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(fmt::format(
        "{} failed (wait status {:#x}), so there is nothing to time", arguments[0], status));
  }
  return {took.count(), seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

std::vector<ProcessTime> time_process(const std::vector<std::string>& arguments, int rounds) {
  std::vector<ProcessTime> times;
  for (int i = 0; i < rounds; ++i) times.push_back(time_process(arguments));
  std::ranges::sort(times, {}, &ProcessTime::wall);
  return times;
}

}  // namespace refute::bench
