#include "harness/cli/run_record.hpp"

#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/record_json.hpp"

namespace refute::cli {
namespace {

constexpr std::size_t kKeptOutput = 4096;  // bytes of stdout and stderr that go into an observation

std::string end_of(const std::string& text) {
  return text.size() <= kKeptOutput ? text : "…" + text.substr(text.size() - kKeptOutput);
}

pipeline::Observation observation_of(const pipeline::FinishedJob& job) {
  pipeline::Observation observation;
  observation.record = job.evidence.record;
  const auto started =
      static_cast<std::time_t>(static_cast<double>(std::time(nullptr)) - job.seconds);
  observation.started = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(started));
  observation.duration_s = job.seconds;
  observation.environment = job.evidence.outcome.environment;
  observation.output = end_of(job.out) + end_of(job.err);
  observation.from_cache = job.from_cache;
  return observation;
}

std::string describe(const Evidence& evidence) {
  std::string text = fmt::format("{} {}", evidence.claim.text, evidence.subject.text);
  switch (evidence.arm) {
    case Arm::subject:
      return text;
    case Arm::mutant:
      return text + ", mutant " + evidence.mutant.text;
    case Arm::negated:
      return text + ", negated check";
    case Arm::control:
      return text + ", control";
  }
  return text;
}

std::string describe(const Job& job) {
  Evidence evidence;
  evidence.claim = job.claim;
  evidence.subject = job.subject;
  evidence.arm = job.arm;
  evidence.mutant = job.mutant;
  return describe(evidence);
}

struct Reason {
  std::string operator()(const Survived&) const { return ""; }
  std::string operator()(const TimedOut& t) const {
    return fmt::format(" (after {} s)", t.limit_s);
  }
  template <class WithMessage>
  std::string operator()(const WithMessage& verdict) const {
    return ": " + verdict.message;
  }
};

}  // namespace

RunRecord::RunRecord(const RunPlan& plan, const RunOptions& options, pipeline::RunWriter& store)
    : plan_(plan), options_(options), store_(store), progress_(plan.jobs.size()) {}

pipeline::Observer RunRecord::observer() {
  pipeline::Observer observer;
  observer.started = [this](const pipeline::PlannedJob& planned) {
    progress_.started(describe(planned.job));
  };
  observer.finished = [this](pipeline::FinishedJob job) { return take(std::move(job)); };
  observer.enough = [this] { return options_.fail_fast && failed_; };
  return observer;
}

std::optional<Error> RunRecord::take(pipeline::FinishedJob job) {
  if (is_canary(job.evidence)) {
    canaries.push_back(std::move(job.evidence));
    progress_.finished(false);
    return std::nullopt;
  }
  job.evidence = pipeline::with_record(std::move(job.evidence));
  const bool bad = unexpected(job.evidence);
  failed_ |= bad;
  if (bad) {
    const Verdict& verdict = job.evidence.outcome.verdict;
    progress_.say(fmt::format("refute: {}: {}{}", describe(job.evidence), to_string(verdict),
                              std::visit(Reason{}, verdict)));
  }
  progress_.finished(bad);
  return keep(std::move(job));
}

std::optional<Error> RunRecord::keep(pipeline::FinishedJob job) {
  pipeline::Observation observation = observation_of(job);
  if (auto error = store_.append(job.evidence, observation)) return error;
  evidence.push_back(std::move(job.evidence));
  observations.push_back(std::move(observation));
  return std::nullopt;
}

bool RunRecord::unexpected(const Evidence& evidence) const {
  if (std::holds_alternative<Declined>(evidence.outcome.verdict)) return false;
  for (const Contract& contract : plan_.contracts) {
    for (const Claim& claim : contract.claims) {
      if (claim.id == evidence.claim) return !pipeline::as_expected(claim, evidence);
    }
  }
  return true;
}

}  // namespace refute::cli
