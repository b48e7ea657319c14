#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/evidence.hpp"
#include "harness/pipeline/execute/children.hpp"
#include "harness/pipeline/execute/plan.hpp"
#include "harness/pipeline/execute/stop_signal.hpp"
#include "harness/pipeline/execute/vacuity_cache.hpp"

namespace refute::pipeline {

/// A job that is done. `evidence.record` is still empty: the digest of a record is the judge's to
/// make.
struct FinishedJob {
  std::size_t index = 0;  ///< into the plan
  Evidence evidence;
  std::string out, err;  ///< what the worker wrote, bounded
  double seconds = 0;    ///< of its process
  bool from_cache = false;
};

struct ExecuteOptions {
  unsigned width = 1;  ///< processes at once; exclusive jobs run alone, device jobs one at a time
  std::vector<std::string> environment;
  VacuityCache* cache = nullptr;     ///< none: everything is run
  Lifeline* lifeline = nullptr;      ///< none: children may outlive a kill of this process
  const StopSignal* stop = nullptr;  ///< none: signals end the process as they always do
};

/// What execute() tells while it works. All are called from the thread that called it.
struct Observer {
  std::function<void(const PlannedJob&)> started;
  /// Takes each result as soon as it is there. An error (the disk is full) stops the run.
  std::function<std::optional<Error>(FinishedJob)> finished;
  /// True when nothing more is to be started and what runs is to be killed (--fail-fast).
  std::function<bool()> enough;
};

/// How the run as a whole ended.
struct Execution {
  std::size_t finished = 0;
  bool complete = false;             ///< every job of the plan came to an end
  std::optional<int> signal;         ///< it was stopped by this signal
  std::optional<Error> sink_failed;  ///< it was stopped because a result could not be kept
};

/// Runs the plan. Jobs that share come first, `width` at a time and in their order; then the
/// exclusive ones. A subject that was refuted is run once more with the same seed: a different
/// result makes it Nondeterministic.
Execution execute(const std::vector<PlannedJob>& jobs, const ExecuteOptions& options,
                  const Observer& observer);

/// One process for one job, without cache or second run.
FinishedJob run_once(const PlannedJob& planned, const std::vector<std::string>& environment);

}  // namespace refute::pipeline
