#pragma once

#include <string>
#include <string_view>

#include "harness/model/job.hpp"
#include "harness/model/outcome.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"
#include "harness/worker/row.hpp"

// The worker's side of harness/PROTOCOL.md, version 1.

namespace refute::worker {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kMaxJobBytes = 1u << 20;

/// The whole life of a worker process: `--list`, `--run`, or help. Returns the exit status. A
/// mistake in the job, a failed subject server or a bug ends with a message on stderr and a
/// non-zero status, and never with a record.
int protocol_main(int argc, char** argv, const Table& table);

/// A job as it came over stdin; the error says which member is missing or wrong.
Result<Job> parse_job(std::string_view text);

/// Runs the row that the job names. Throws JobError if there is none, or if it does not know the
/// subject or mutant. A subject that cannot be run here (SubjectDeclined) makes a declined outcome.
Outcome run_job(const Table& table, const Job& job);

/// The record for file descriptor 3.
Value record_of(const Job& job, const Outcome& outcome);

/// What `--list` prints.
Value list_of(const Table& table);

/// Writes a record, or anything that a canary wants to pass off as one, to file descriptor 3. False
/// if it could not.
bool write_record(std::string_view text);

}  // namespace refute::worker
