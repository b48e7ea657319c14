// What a process per job costs: from the spawn of a worker to its checked record, against the spawn
// of a program that does nothing at all.

#include <stdexcept>

#include <fmt/format.h>

#include "harness/bench/benches.hpp"
#include "harness/bench/process.hpp"
#include "harness/pipeline/execute/bench_overhead.hpp"

namespace refute::bench {
namespace {

constexpr int kRounds = 300;
constexpr double kLimitMs = 5;

Figure against_limit(std::string what, double ms) {
  return {.what = std::move(what),
          .result = fmt::format("{:.2f} ms", ms),
          .ratio = ms / kLimitMs,
          .against = "the limit of 5 ms",
          .goal = 1};
}

Figure against_true(std::string what, double ms, double true_ms) {
  return {.what = std::move(what),
          .result = fmt::format("{:.2f} ms more", ms - true_ms),
          .ratio = ms / true_ms,
          .against = fmt::format("posix_spawn of /bin/true, {:.2f} ms", true_ms)};
}

}  // namespace

std::vector<Figure> job_overhead() {
  const auto job = pipeline::bench_job_overhead(REFUTE_BUILD "/falsifiers/falsify_canary",
                                                "CANARY-REFUTED", kRounds);
  if (!job) throw std::runtime_error(job.error().what);
  const auto nothing = time_process({"/bin/true"}, kRounds);
  const auto true_ms = [&](double share) {
    return 1e3 * nothing[static_cast<std::size_t>(share * (kRounds - 1))].wall;
  };
  return {
      against_limit(fmt::format("spawn to checked record, median of {}", job->rounds),
                    job->median_ms),
      against_true("the same", job->median_ms, true_ms(0.5)),
      against_limit("spawn to checked record, 95th percentile", job->p95_ms),
      against_true("the same", job->p95_ms, true_ms(0.95)),
  };
}

}  // namespace refute::bench
