#pragma once

#include <functional>
#include <string>
#include <vector>

#include "harness/cli/run_options.hpp"
#include "harness/model/evidence.hpp"
#include "harness/pipeline/execute/line_cache.hpp"

namespace refute::cli {

/// Everything that one run will do, before it does anything.
struct RunPlan {
  std::vector<pipeline::PlannedJob>
      jobs;  ///< the canary's first, so that its hanging row costs no time of its own
  std::size_t canaries = 0;
  std::vector<Contract> contracts;  ///< of what was selected: what the ledger will cover
  pipeline::Fixtures fixtures;
  std::function<bool(const Evidence&)> required;  ///< from --require
};

/// Why nothing is run: a mistake on the command line, or a selection that selects nothing.
struct Refusal {
  ExitCode code;
  Error error;
};

/// Plans the selected jobs and the canary's, and finds their fixtures. Selecting nothing gives no
/// jobs. An error is a mistake on the command line.
Result<RunPlan, Refusal> plan_run(const Project& project, const RunOptions& options,
                                  pipeline::LineCache& file_digests);

/// Tells the evidence that may not be declined: of a subject, fixture or claim that one of the
/// words (--require) names.
std::function<bool(const Evidence&)> required_by(const std::vector<std::string>& words,
                                                 const std::vector<pipeline::PlannedJob>& jobs);

/// True for evidence of the canary's own contract.
bool is_canary(const Evidence& evidence);

}  // namespace refute::cli
