#include "harness/pipeline/execute/execute.hpp"

#include <algorithm>
#include <deque>
#include <map>

#include "harness/pipeline/execute/job_wire.hpp"
#include "harness/pipeline/execute/record_check.hpp"

namespace refute::pipeline {
namespace {

bool on_device(const PlannedJob& planned) {
  return planned.job.subject.text.starts_with("cuda");
}

ChildSpec child_for(const PlannedJob& planned, const std::string& nonce,
                    const std::vector<std::string>& environment) {
  Job job = planned.job;
  job.nonce = nonce;
  return {planned.worker, {"--run"}, job_json(job), environment, job.limits};
}

/// The architecture that a device's evidence rests on is what its worker says it ran on.
std::string architecture_of(const PlannedJob& planned, const Outcome& outcome) {
  const Value* word = on_device(planned) ? outcome.environment.find("architecture") : nullptr;
  return word != nullptr && word->is_string() ? *word->as_string() : "";
}

Evidence evidence_of(const PlannedJob& planned, Outcome outcome) {
  const Job& job = planned.job;
  Evidence evidence{job.contract, job.claim, job.subject,        job.arm, job.mutant,
                    job.seed,     {},        planned.provenance, {},      {}};
  evidence.provenance.architecture = architecture_of(planned, outcome);
  evidence.outcome = std::move(outcome);
  return evidence;
}

FinishedJob finished_job(std::size_t index, const PlannedJob& planned, Outcome outcome,
                         const ChildResult& child) {
  return {index,
          evidence_of(planned, std::move(outcome)),
          child.out.text(),
          child.err.text(),
          child.seconds,
          false};
}

class Run {
 public:
  Run(const std::vector<PlannedJob>& jobs, const ExecuteOptions& options, const Observer& observer)
      : jobs_(jobs), options_(options), observer_(observer), children_(options.lifeline) {}

  Execution go() {
    std::deque<std::size_t> shared, exclusive;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      if (!stopping_ && !from_cache(i)) (jobs_[i].exclusive ? exclusive : shared).push_back(i);
    }
    drain(shared, std::max(1u, options_.width));
    drain(exclusive, 1);
    execution_.complete = execution_.finished == jobs_.size();
    return execution_;
  }

 private:
  struct Attempt {
    std::string nonce;
    std::optional<Outcome> first;  ///< set on the second run of a refuted subject
  };

  bool from_cache(std::size_t index) {
    if (options_.cache == nullptr) return false;
    auto outcome = options_.cache->find(jobs_[index]);
    if (!outcome) return false;
    FinishedJob job = finished_job(index, jobs_[index], std::move(*outcome), ChildResult{});
    job.from_cache = true;
    deliver(std::move(job));
    return true;
  }

  void drain(std::deque<std::size_t>& queue, std::size_t width) {
    while (true) {
      look_for_signal();
      while (!stopping_ && children_.running() < width && launch_next(queue)) {
      }
      if (children_.running() == 0) return;
      const int wake = options_.stop != nullptr && !stopping_ ? options_.stop->fd() : -1;
      for (FinishedChild& child : children_.wait(wake)) settle(child.tag, child.result);
    }
  }

  bool launch_next(std::deque<std::size_t>& queue) {
    const auto next = std::ranges::find_if(
        queue, [&](std::size_t i) { return !(on_device(jobs_[i]) && device_busy_); });
    if (next == queue.end()) return false;
    const std::size_t index = *next;
    queue.erase(next);
    device_busy_ |= on_device(jobs_[index]);
    if (observer_.started) observer_.started(jobs_[index]);
    launch(index, std::nullopt);
    return true;
  }

  void launch(std::size_t index, std::optional<Outcome> first) {
    Attempt attempt{draw_nonce(), std::move(first)};
    children_.start(index, child_for(jobs_[index], attempt.nonce, options_.environment));
    attempts_[index] = std::move(attempt);
  }

  void settle(std::size_t index, const ChildResult& child) {
    const PlannedJob& planned = jobs_[index];
    Attempt attempt = std::move(attempts_.extract(index).mapped());
    if (std::holds_alternative<Stopped>(child.end)) return;
    Job job = planned.job;
    job.nonce = attempt.nonce;
    Outcome outcome = outcome_of(job, child);
    if (wants_second_run(job, outcome) && !attempt.first) {
      if (!stopping_) launch(index, std::move(outcome));
      return;
    }
    if (attempt.first) outcome = compared(std::move(*attempt.first), outcome);
    if (on_device(planned)) device_busy_ = false;
    if (options_.cache != nullptr)
      options_.cache->remember(planned, attempt.nonce, child.record, outcome);
    deliver(finished_job(index, planned, std::move(outcome), child));
  }

  static bool wants_second_run(const Job& job, const Outcome& outcome) {
    return job.arm == Arm::subject && std::holds_alternative<Refuted>(outcome.verdict);
  }

  static Outcome compared(Outcome first, const Outcome& second) {
    if (auto what = difference(first, second)) first.verdict = Nondeterministic{std::move(*what)};
    return first;
  }

  void deliver(FinishedJob job) {
    if (execution_.sink_failed) return;
    execution_.sink_failed = observer_.finished(std::move(job));
    if (!execution_.sink_failed) ++execution_.finished;
    if (execution_.sink_failed || (observer_.enough && observer_.enough())) stop();
  }

  void look_for_signal() {
    if (options_.stop == nullptr || stopping_ || !options_.stop->signal()) return;
    execution_.signal = options_.stop->signal();
    stop();
  }

  void stop() {
    stopping_ = true;
    children_.stop_all();
  }

  const std::vector<PlannedJob>& jobs_;
  const ExecuteOptions& options_;
  const Observer& observer_;
  Children children_;
  std::map<std::size_t, Attempt> attempts_;
  Execution execution_;
  bool stopping_ = false;
  bool device_busy_ = false;
};

}  // namespace

Execution execute(const std::vector<PlannedJob>& jobs, const ExecuteOptions& options,
                  const Observer& observer) {
  return Run(jobs, options, observer).go();
}

FinishedJob run_once(const PlannedJob& planned, const std::vector<std::string>& environment) {
  Job job = planned.job;
  job.nonce = draw_nonce();
  const ChildResult child = run_child(child_for(planned, job.nonce, environment));
  return finished_job(0, planned, outcome_of(job, child), child);
}

}  // namespace refute::pipeline
