#pragma once

// The refute that started this worker, run once more: for claims that speak of the command itself.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace refute::worker {

/// What one run of a command came to.
struct CommandAnswer {
  int status = 0;  ///< its exit status; 128 + n when signal n ended it
  std::string out, err;
};

/// The program that REFUTE_COMMAND names; empty outside of a job (harness/PROTOCOL.md).
std::string refute_program();

/// Runs a program with this process's environment, changed as told ("NAME=value"). Each of its two
/// streams may be kMostCommandBytes long. Throws JobError if it cannot be started, SubjectFailure if it
/// says more or takes longer than `time_limit_s`; a status that is not 0 is an answer like any
/// other.
CommandAnswer run_command(const std::string& program, const std::vector<std::string>& arguments,
                          const std::vector<std::string>& environment, double time_limit_s);

inline constexpr std::size_t kMostCommandBytes = std::size_t{4} << 20;

}  // namespace refute::worker
