#pragma once

#include <string>
#include <vector>

namespace refute::falsifiers {

/// How a command ended and what it said, stdout and stderr together, cut after 64 KiB.
struct CommandEnd {
  int exit_status = 0;  ///< a signal n is 128 + n, as a shell has it
  std::string said;
};

/// Runs a program to its end. `environment` ("NAME=value") replaces ours where names are equal.
/// Throws JobError when it cannot be started.
CommandEnd run_command(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment);

}  // namespace refute::falsifiers
