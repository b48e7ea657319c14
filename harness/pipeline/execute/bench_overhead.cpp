#include "harness/pipeline/execute/bench_overhead.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/pipeline/execute/environment.hpp"
#include "harness/pipeline/execute/execute.hpp"
#include "harness/pipeline/execute/registry.hpp"

namespace refute::pipeline {
namespace {

PlannedJob quick_job(const WorkerInfo& worker, const Row& row) {
  PlannedJob planned;
  planned.job.contract = worker.contract;
  planned.job.claim = row.claim;
  planned.job.subject = row.subjects.front();
  planned.job.id = job_id(planned.job);
  planned.worker = worker.path;
  return planned;
}

double one_round_ms(const PlannedJob& planned, const std::vector<std::string>& environment,
                    std::string& verdict) {
  const auto start = std::chrono::steady_clock::now();
  const FinishedJob job = run_once(planned, environment);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  verdict = to_string(job.evidence.outcome.verdict);
  return took.count();
}

}  // namespace

Result<JobOverhead> bench_job_overhead(const std::string& worker, const std::string& claim,
                                       int rounds) {
  const std::vector<std::string> environment = worker_environment(::environ);
  const Registry registry = find_workers({"", {worker}, "", environment});
  if (!registry.diagnostics.empty()) return Error{registry.diagnostics.front().message, ""};
  const Row* row = registry.workers.front().row({claim});
  if (row == nullptr) return Error{fmt::format("{} has no row for {}", worker, claim), ""};
  const PlannedJob planned = quick_job(registry.workers.front(), *row);
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    std::string verdict;
    times.push_back(one_round_ms(planned, environment, verdict));
    if (verdict != "survived" && verdict != "refuted") {
      return Error{
          fmt::format("{} of {} is {}, so there is nothing to time", claim, worker, verdict), ""};
    }
  }
  std::ranges::sort(times);
  const auto at = [&](double share) {
    return times[static_cast<std::size_t>(share * (rounds - 1))];
  };
  return JobOverhead{at(0.5), at(0.95), rounds};
}

}  // namespace refute::pipeline
