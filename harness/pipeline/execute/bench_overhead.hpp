#pragma once

#include <string>

#include "harness/model/result.hpp"

namespace refute::pipeline {

/// Milliseconds from the spawn to the checked record of one job that does next to nothing.
struct JobOverhead {
  double median_ms = 0, p95_ms = 0;  ///< of `rounds` jobs, one after another
  int rounds = 0;
};

/// Runs one quick claim of a worker again and again. An error when the claim is not there or gives
/// no verdict: a bench that measures failures would be fast.
Result<JobOverhead> bench_job_overhead(const std::string& worker, const std::string& claim,
                                       int rounds = 200);

}  // namespace refute::pipeline
