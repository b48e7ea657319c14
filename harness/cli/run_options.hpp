#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/project.hpp"
#include "harness/cli/report_outputs.hpp"
#include "harness/model/level.hpp"
#include "harness/pipeline/execute/plan.hpp"

namespace CLI {
class App;
}

namespace refute::cli {

/// All that `run` is told, parsed once, and echoed into the record of the run.
struct RunOptions {
  ProjectOptions project;
  pipeline::Selection selection;
  Seed seed;
  unsigned jobs = 1;  ///< processes at once, and threads of an exclusive job
  bool fail_fast = false, use_cache = true;
  std::vector<std::string> require;
  std::optional<Level> min_level;
  std::string store = ".refute";
  std::string format = "text";
  std::vector<ReportOutput> outputs;
};

/// The words as they stand on the command line, until they are parsed.
struct RunWords {
  ProjectOptions project;
  std::vector<std::string> claims, subjects, require, outputs;
  std::string level, shard, min_level, seed = "0", store = ".refute", format = "text";
  std::optional<unsigned> jobs;
  bool nightly = false, fail_fast = false, no_cache = false, json = false;
};

void add_run_options(CLI::App& app, RunWords& words);
/// Everything that is wrong with them, together.
Result<RunOptions> parse_run_options(const RunWords& words);
/// For run.json.
Value to_value(const RunOptions& options);

}  // namespace refute::cli
