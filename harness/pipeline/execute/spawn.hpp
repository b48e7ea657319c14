#pragma once

// One child process: how it is started and what can become of it. children.hpp runs many of them.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <sys/types.h>

#include "harness/model/contract.hpp"
#include "harness/model/result.hpp"
#include "harness/pipeline/execute/captured.hpp"
#include "harness/pipeline/execute/unique_fd.hpp"

namespace refute::pipeline {

/// The record pipe takes this much and not one byte more.
constexpr std::size_t kRecordLimit = 1u << 20;

struct ChildSpec {
  std::string path;                      ///< of the executable; no search in PATH
  std::vector<std::string> arguments;    ///< after argv[0]
  std::string input;                     ///< what it finds on stdin
  std::vector<std::string> environment;  ///< "NAME=value"; nothing else is inherited
  Limits limits;
  std::size_t keep_output =
      32u << 10;  ///< bytes kept of the head of stdout and stderr each, and as many of the tail
};

struct Exited {
  int status = 0;
  bool operator==(const Exited&) const = default;
};
struct Signalled {
  int signal = 0;
  bool operator==(const Signalled&) const = default;
};
/// Killed by us: it ran longer than it may.
struct OverTime {
  bool operator==(const OverTime&) const = default;
};
/// Killed by us: its process group held more memory than it may.
struct OverMemory {
  bool operator==(const OverMemory&) const = default;
};
/// Killed by us, because the run was stopped.
struct Stopped {
  bool operator==(const Stopped&) const = default;
};
/// It never ran; `what` names the file and the reason, `hint` what to do.
struct NotStarted {
  Error error;
};
using ChildEnd = std::variant<Exited, Signalled, OverTime, OverMemory, Stopped, NotStarted>;

struct ChildResult {
  ChildEnd end;
  Captured out, err;
  std::string record;              ///< what it wrote to fd 3, up to kRecordLimit
  bool record_over_limit = false;  ///< it wrote more than that
  double seconds = 0;
  std::int64_t peak_kib = 0;  ///< largest resident size seen when looked at
};

/// A child that runs, with our ends of its pipes (non-blocking, closed on exec).
struct SpawnedChild {
  pid_t pid = -1;
  UniqueFd pidfd;  ///< readable when it has ended; none on kernels without it
  UniqueFd out, err, record;
};

/// Starts one child in a process group of its own, all signals at their defaults, fd 0 on a memory
/// file that holds `input`, fds 1 to 3 on pipes and nothing else open.
Result<SpawnedChild> spawn(const ChildSpec& spec);

}  // namespace refute::pipeline
