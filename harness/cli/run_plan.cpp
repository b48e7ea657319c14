#include "harness/cli/run_plan.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fnmatch.h>

#include "harness/model/near_miss.hpp"
#include "harness/pipeline/execute/canary.hpp"

namespace refute::cli {
namespace {

using pipeline::PlannedJob;

std::vector<PlannedJob> plan_canary(const Project& project) {
  const std::vector<Contract> contracts =
      pipeline::load_contracts({project.locations.canary},
                               {.threads = 1, .levels = nullptr, .lint = false})
          .contracts;
  const pipeline::Bindings bindings = pipeline::bind_claims(contracts, project.registry);
  auto planned = pipeline::plan(bindings.bound, {});
  return planned ? pipeline::canary_jobs(std::move(*planned)) : std::vector<PlannedJob>{};
}

bool selects_everything(const pipeline::Selection& selection) {
  return selection.claims.empty() && selection.subjects.empty() && !selection.level &&
         selection.shard.count == 1;
}

/// The contracts with only those claims that have a job, or all of them where nothing was left out.
std::vector<Contract> selected_contracts(const Project& project,
                                         const pipeline::Selection& selection,
                                         const std::vector<PlannedJob>& jobs) {
  std::vector<Contract> contracts = project.contracts;
  if (selects_everything(selection)) return contracts;
  std::set<ClaimId> planned;
  for (const PlannedJob& job : jobs) planned.insert(job.job.claim);
  for (Contract& contract : contracts) {
    std::erase_if(contract.claims, [&](const Claim& claim) { return !planned.contains(claim.id); });
  }
  std::erase_if(contracts, [](const Contract& contract) { return contract.claims.empty(); });
  return contracts;
}

bool concerns(const std::string& word, const Job& job, const std::vector<std::string>& fixtures) {
  return job.subject.text == word || std::ranges::find(fixtures, word) != fixtures.end() ||
         ::fnmatch(word.c_str(), job.claim.text.c_str(), 0) == 0;
}

/// A word of --require that no selected job has anything to do with would be kept by every run: a
/// mistake.
std::optional<Error> check_require(const std::vector<std::string>& words,
                                   const std::vector<PlannedJob>& jobs) {
  std::vector<std::string> known;
  for (const PlannedJob& planned : jobs) {
    known.push_back(planned.job.subject.text);
    known.push_back(planned.job.claim.text);
    known.insert(known.end(), planned.fixtures_wanted.begin(), planned.fixtures_wanted.end());
  }
  for (const std::string& word : words) {
    const bool used = std::ranges::any_of(
        jobs, [&](const PlannedJob& p) { return concerns(word, p.job, p.fixtures_wanted); });
    if (used) continue;
    const std::string near = near_miss(word, known);
    return Error{fmt::format("--require {}: no selected job has to do with it", word),
                 near.empty() ? "name a subject, a fixture or a claim (refute list shows them)"
                              : did_you_mean(near)};
  }
  return std::nullopt;
}

std::set<std::string> fixtures_wanted(const std::vector<PlannedJob>& jobs) {
  std::set<std::string> wanted;
  for (const PlannedJob& planned : jobs)
    wanted.insert(planned.fixtures_wanted.begin(), planned.fixtures_wanted.end());
  return wanted;
}

}  // namespace

std::function<bool(const Evidence&)> required_by(const std::vector<std::string>& words,
                                                 const std::vector<PlannedJob>& jobs) {
  std::set<std::pair<ClaimId, SubjectName>> required;
  for (const PlannedJob& planned : jobs) {
    if (planned.job.arm != Arm::subject) continue;
    const bool named = std::ranges::any_of(words, [&](const std::string& word) {
      return concerns(word, planned.job, planned.fixtures_wanted);
    });
    if (named) required.insert({planned.job.claim, planned.job.subject});
  }
  return [required = std::move(required)](const Evidence& evidence) {
    return evidence.arm == Arm::subject && required.contains({evidence.claim, evidence.subject});
  };
}

Result<RunPlan, Refusal> plan_run(const Project& project, const RunOptions& options,
                                  pipeline::LineCache& file_digests) {
  auto jobs =
      pipeline::plan(project.bindings.bound, {options.selection, options.seed, options.jobs, true});
  if (!jobs) return Refusal{ExitCode::nothing_selected, jobs.take_error()};
  RunPlan run;
  run.contracts = selected_contracts(project, options.selection, *jobs);
  if (jobs->empty()) {
    return Refusal{ExitCode::nothing_selected, {"nothing is selected, so nothing is run", ""}};
  }
  if (auto error = check_require(options.require, *jobs))
    return Refusal{ExitCode::usage, std::move(*error)};
  run.required = required_by(options.require, *jobs);
  pipeline::FileDigests digests(file_digests);
  run.fixtures =
      pipeline::find_fixtures(project.locations.fixtures_index, fixtures_wanted(*jobs), digests);
  pipeline::attach(*jobs, run.fixtures);
  run.jobs = plan_canary(project);
  run.canaries = run.jobs.size();
  run.jobs.insert(run.jobs.end(), std::make_move_iterator(jobs->begin()),
                  std::make_move_iterator(jobs->end()));
  return run;
}

bool is_canary(const Evidence& evidence) {
  return evidence.contract.text == pipeline::kCanaryContract;
}

}  // namespace refute::cli
