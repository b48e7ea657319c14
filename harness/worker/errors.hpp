#pragma once

#include <stdexcept>

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
