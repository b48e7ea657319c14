#pragma once

#include <string>

#include "harness/model/job.hpp"

namespace refute::pipeline {

/// The job as its worker reads it from stdin: one line of JSON (PROTOCOL.md, `WORKER --run`).
std::string job_json(const Job& job);

/// 128 random bits in hex. A record that was not made for this very process cannot know them.
std::string draw_nonce();

}  // namespace refute::pipeline
