#include "harness/pipeline/execute/memory_watch.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness/pipeline/execute/unique_fd.hpp"

namespace refute::pipeline {
namespace {

struct ProcessLine {
  pid_t group = -1;
  std::int64_t resident_kib = 0;
};

std::int64_t page_kib() {
  static const std::int64_t kib = ::sysconf(_SC_PAGESIZE) / 1024;
  return kib;
}

// Fields 5 (process group) and 24 (resident pages) of /proc/<pid>/stat. The name in field 2 may
// hold anything, so counting starts behind its last parenthesis.
ProcessLine read_process(const char* pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%.32s/stat", pid);
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  std::array<char, 1024> text{};
  if (::read(fd.get(), text.data(), text.size() - 1) <= 0) return {};
  const char* rest = std::strrchr(text.data(), ')');
  ProcessLine line;
  long long pages = 0;
  int group = -1;
  const char* format =
      ") %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u %lld";
  if (rest == nullptr || std::sscanf(rest, format, &group, &pages) != 2) return {};
  return {group, pages * page_kib()};
}

std::map<pid_t, std::int64_t> walk_groups() {
  std::map<pid_t, std::int64_t> sums;
  DIR* proc = ::opendir("/proc");
  if (proc == nullptr) return sums;
  while (const dirent* entry = ::readdir(proc)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const ProcessLine line = read_process(entry->d_name);
    if (line.group > 0) sums[line.group] += line.resident_kib;
  }
  ::closedir(proc);
  return sums;
}

}  // namespace

std::map<pid_t, std::int64_t> MemoryWatch::look(std::span<const pid_t> leaders) {
  const Clock::time_point start = Clock::now();
  next_look_ = start + kTick;
  std::map<pid_t, std::int64_t> sizes;
  for (const pid_t pid : leaders)
    sizes[pid] = read_process(std::to_string(pid).c_str()).resident_kib;
  if (start < next_walk_) return sizes;
  const auto groups = walk_groups();
  for (auto& [pid, kib] : sizes) {
    if (const auto sum = groups.find(pid); sum != groups.end()) kib = std::max(kib, sum->second);
  }
  next_walk_ = start + std::max<Clock::duration>(2 * kTick, 100 * (Clock::now() - start));
  return sizes;
}

}  // namespace refute::pipeline
