#pragma once

#include <optional>
#include <string>

#include "harness/model/job.hpp"
#include "harness/model/outcome.hpp"
#include "harness/pipeline/execute/spawn.hpp"

namespace refute::pipeline {

/// What came of a job, given how its process ended and what it wrote: the table in PROTOCOL.md. A
/// record that does not fit its job, lacks a member, has one too many or contradicts itself is
/// Broken with a sentence that says why. Nothing in the outcome differs between two runs of a
/// deterministic worker.
Outcome outcome_of(const Job& job, const ChildResult& child);

/// Compares a refutation with its second run: the same, or what differs, in words.
std::optional<std::string> difference(const Outcome& first, const Outcome& second);

}  // namespace refute::pipeline
