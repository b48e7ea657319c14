#pragma once

#include <optional>
#include <vector>

#include "harness/cli/progress.hpp"
#include "harness/cli/run_plan.hpp"
#include "harness/pipeline/execute/execute.hpp"
#include "harness/pipeline/judge/store.hpp"

namespace refute::cli {

/// Takes the results of a run as they come: to disk at once, to memory for the report, to the bar
/// for the eye.
class RunRecord {
 public:
  RunRecord(const RunPlan& plan, const RunOptions& options, pipeline::RunWriter& store);

  /// Points into this object.
  pipeline::Observer observer();

  std::vector<Evidence> evidence;  ///< in the order in which it came
  std::vector<pipeline::Observation> observations;
  std::vector<Evidence> canaries;

 private:
  std::optional<Error> take(pipeline::FinishedJob job);
  std::optional<Error> keep(pipeline::FinishedJob job);
  bool unexpected(const Evidence& evidence) const;

  const RunPlan& plan_;
  const RunOptions& options_;
  pipeline::RunWriter& store_;
  Progress progress_;
  bool failed_ = false;
};

}  // namespace refute::cli
