#pragma once

#include <stdexcept>
#include <string>

#include "harness/model/outcome.hpp"

namespace refute::worker {

/// The job cannot be carried out as it was asked: a parameter is missing or of the wrong kind, a
/// subject is unknown. The worker then ends with a message and writes no record, because a mistake
/// in the question is no verdict.
struct JobError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A subject server died, answered with something else than was asked for, or said nothing in time.
struct SubjectFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The subject cannot be run here, and nothing is wrong with it: the job's outcome is declined.
struct SubjectDeclined : std::runtime_error {
  SubjectDeclined(DeclineReason why, const std::string& message)
      : std::runtime_error(message), reason(why) {}
  DeclineReason reason;
};

/// How a worker process ends when it writes no record. kExitJobError is part of the protocol: what
/// asked is at fault then, and neither worker nor subject.
enum ExitStatus : int {
  kExitOk = 0,
  kExitUsage = 2,
  kExitSubjectFailed = 3,
  kExitJobError = 64,
  kExitBug = 70
};

}  // namespace refute::worker
