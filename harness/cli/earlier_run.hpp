#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/cli/project.hpp"
#include "harness/model/level.hpp"
#include "harness/model/value.hpp"

namespace refute::cli {

/// What an earlier run was told, as far as a command that speaks of that run has to know it.
struct EarlierRun {
  ProjectOptions project;
  std::vector<std::string> require;
  std::optional<Level> min_level;
};

/// Reads it from the `options` of run.json. What is missing there (an older record) stays empty.
EarlierRun earlier_run(const Value& options);

/// Contracts and workers of the run, for all that the user did not name: the run's own claims are
/// bound to nothing without them.
void adopt(ProjectOptions& options, const EarlierRun& run);

}  // namespace refute::cli
