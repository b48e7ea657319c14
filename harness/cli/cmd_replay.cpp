// replay: runs the counterexample of an earlier refutation once more, and compares bit for bit.

#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "harness/cli/command.hpp"
#include "harness/cli/earlier_run.hpp"
#include "harness/cli/project.hpp"
#include "harness/cli/run_plan.hpp"
#include "harness/digest/claim_digest.hpp"
#include "harness/json/json.hpp"
#include "harness/model/near_miss.hpp"
#include "harness/pipeline/execute/environment.hpp"
#include "harness/pipeline/execute/execute.hpp"
#include "harness/pipeline/judge/evidence.hpp"
#include "harness/pipeline/judge/exit_codes.hpp"
#include "harness/pipeline/judge/report_words.hpp"
#include "harness/pipeline/judge/store.hpp"

namespace refute::cli {
namespace {

struct ReplayWords {
  ProjectOptions project;
  std::vector<std::string> ids;
  std::string subject, run, store = ".refute", evidence = "reports/evidence";
};

int status(ExitCode code) {
  return static_cast<int>(code);
}

void complain(const Error& error) {
  fmt::print(stderr, "refute: {}{}{}\n", error.what, error.hint.empty() ? "" : "; ", error.hint);
}

bool is_refutation(const Evidence& evidence) {
  return evidence.arm == Arm::subject && std::holds_alternative<Refuted>(evidence.outcome.verdict);
}

/// The run that was named, else the latest.
Result<std::optional<pipeline::StoredRun>, pipeline::StoreError> run_of(const ReplayWords& words) {
  if (words.run.empty()) return pipeline::load_latest(words.store);
  auto run = pipeline::load_run(words.store, words.run);
  if (!run) return run.take_error();
  return std::optional<pipeline::StoredRun>(*std::move(run));
}

/// What was refuted, newest first: by the run, then, if none was named, by the committed evidence.
/// Contracts and workers that the user did not name are those of the run.
Result<std::vector<Evidence>, Refusal> refutations(ReplayWords& words) {
  std::vector<Evidence> found;
  auto run = run_of(words);
  if (!run) {
    const auto code = run.error().damaged ? ExitCode::not_verified : ExitCode::usage;
    return Refusal{code, run.error()};
  }
  if (*run) {
    for (Evidence& evidence : (*run)->evidence) {
      if (is_refutation(evidence)) found.push_back(std::move(evidence));
    }
    adopt(words.project, earlier_run((*run)->facts.options));
  }
  if (!words.run.empty()) return found;
  auto files = pipeline::read_evidence_folder(words.evidence);
  if (!files) return Refusal{ExitCode::usage, files.take_error()};
  auto committed = pipeline::from_files(*files);
  if (!committed) return Refusal{ExitCode::usage, committed.take_error()};
  for (Evidence& evidence : *committed) {
    if (is_refutation(evidence)) found.push_back(std::move(evidence));
  }
  return found;
}

std::vector<std::string> sorted_unique(std::vector<std::string> words) {
  std::ranges::sort(words);
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return words;
}

/// The newest refutation of each subject of the claim.
std::vector<const Evidence*> of_claim(const std::vector<Evidence>& all, const std::string& id,
                                      const std::string& subject) {
  std::vector<const Evidence*> found;
  for (const Evidence& evidence : all) {
    if (evidence.claim.text != id || (!subject.empty() && evidence.subject.text != subject))
      continue;
    const bool newer = std::ranges::any_of(
        found, [&](const Evidence* e) { return e->subject == evidence.subject; });
    if (!newer) found.push_back(&evidence);
  }
  return found;
}

/// The job that made the evidence, as it would be planned today, with the counterexample to run.
std::optional<pipeline::PlannedJob> planned_for(const Project& project, const Evidence& evidence) {
  pipeline::PlanOptions options;
  options.vacuity = false;
  options.threads = 1;
  const auto planned = pipeline::plan(project.bindings.bound, options);
  if (!planned) return std::nullopt;
  const auto at = std::ranges::find_if(*planned, [&](const pipeline::PlannedJob& p) {
    return p.job.claim == evidence.claim && p.job.subject == evidence.subject;
  });
  if (at == planned->end()) return std::nullopt;
  pipeline::PlannedJob job = *at;
  job.job.seed = evidence.seed;
  job.job.replay = std::get<Refuted>(evidence.outcome.verdict).counterexample;
  job.job.id = pipeline::job_id(job.job);
  return job;
}

void attach_fixtures(const Project& project, pipeline::PlannedJob& planned,
                     const std::string& store) {
  pipeline::LineCache cache(store + "/cache/file_digests.jsonl");
  pipeline::FileDigests digests(cache);
  const std::set<std::string> wanted(planned.fixtures_wanted.begin(),
                                     planned.fixtures_wanted.end());
  const pipeline::Fixtures fixtures =
      pipeline::find_fixtures(project.locations.fixtures_index, wanted, digests);
  print_findings(fixtures.diagnostics);
  std::vector<pipeline::PlannedJob> one = {planned};
  pipeline::attach(one, fixtures);
  planned = one.front();
}

bool fixture_changed(const pipeline::PlannedJob& planned, const InputDigest& input) {
  const auto now = planned.fixture_digests.find(input.name);
  return now != planned.fixture_digests.end() && now->second != input.sha256;
}

/// Whether anything that the refutation rested on is another today; each such thing is told.
bool warn_of_changes(const pipeline::PlannedJob& planned, const Evidence& evidence) {
  std::vector<std::string> changed;
  if (planned.provenance.claim != evidence.provenance.claim)
    changed.push_back("the claim " + evidence.claim.text);
  if (planned.provenance.source != evidence.provenance.source)
    changed.push_back("the code behind " + evidence.claim.text);
  for (const InputDigest& input : evidence.outcome.inputs) {
    if (fixture_changed(planned, input)) changed.push_back("the fixture " + input.name);
  }
  for (const std::string& what : changed)
    fmt::print(stderr, "refute: warning: {} has changed since it was refuted\n", what);
  return !changed.empty();
}

/// A counterexample that survives on other code is good news. On the same code it says that the one
/// input is not all that the fault takes.
ExitCode survived(const Evidence& evidence, bool changed) {
  if (changed) {
    fmt::print("  survived: the counterexample no longer refutes the claim\n");
    return ExitCode::ok;
  }
  fmt::print(
      "  not reproduced: survived, though claim, worker and subject are those that were refuted\n"
      "    the fault does not come out when this input is run alone: it depends on the calls "
      "before "
      "it, or on chance\n    run the claim again: refute run --claim {} --subject {}\n",
      evidence.claim.text, evidence.subject.text);
  return ExitCode::no_verdict;
}

void show_output(const pipeline::FinishedJob& job) {
  if (!job.out.empty()) fmt::print("  stdout of the worker:\n{}\n", job.out);
  if (!job.err.empty()) fmt::print("  stderr of the worker:\n{}\n", job.err);
}

/// Compares what came out with what was recorded. The digest of results only where both runs have
/// one: a replay runs the one input, not all of them.
ExitCode compare(const Evidence& evidence, const Outcome& outcome, bool changed) {
  const auto& before = std::get<Refuted>(evidence.outcome.verdict);
  if (std::holds_alternative<Survived>(outcome.verdict)) return survived(evidence, changed);
  const auto* now = std::get_if<Refuted>(&outcome.verdict);
  if (now == nullptr) {
    const std::string detail = pipeline::printable(pipeline::verdict_detail(outcome.verdict));
    fmt::print("  not reproduced: {}{}{}\n", pipeline::verdict_words(outcome.verdict),
               detail.empty() ? "" : ": ", detail);
    return ExitCode::no_verdict;
  }
  const Digest &old_digest = evidence.outcome.result_digest, &new_digest = outcome.result_digest;
  const bool same_results = old_digest.empty() || new_digest.empty() || old_digest == new_digest;
  if (*now == before && same_results) {
    fmt::print("  refuted again, bit for bit: {}\n", now->message);
    return ExitCode::findings;
  }
  fmt::print("  not reproduced: refuted, and otherwise\n    recorded: {} {}\n    now:      {} {}\n",
             before.message, json::dump(before.counterexample), now->message,
             json::dump(now->counterexample));
  return ExitCode::no_verdict;
}

ExitCode replay(const Project& project, const Evidence& evidence, const std::string& store) {
  fmt::print("{} {}, seed {}\n  counterexample {}\n", evidence.claim.text, evidence.subject.text,
             evidence.seed.value,
             json::dump(std::get<Refuted>(evidence.outcome.verdict).counterexample));
  auto planned = planned_for(project, evidence);
  if (!planned) {
    fmt::print("  not reproduced: no falsifier of today takes this claim and subject\n");
    return ExitCode::no_verdict;
  }
  attach_fixtures(project, *planned, store);
  const bool changed = warn_of_changes(*planned, evidence);
  const pipeline::FinishedJob job = pipeline::run_once(
      *planned, pipeline::worker_environment(::environ, pipeline::executable_path()));
  const ExitCode code = compare(evidence, job.evidence.outcome, changed);
  show_output(job);
  return code;
}

/// The newest run of the store that refuted the claim (on the subject, where one is named).
std::optional<std::string> run_that_refuted(const std::string& id, const ReplayWords& words) {
  std::vector<std::string> runs = pipeline::list_runs(words.store);
  for (auto name = runs.rbegin(); name != runs.rend(); ++name) {
    const auto run = pipeline::load_run(words.store, *name);
    if (!run) continue;
    const bool refuted = std::ranges::any_of(run->evidence, [&](const Evidence& e) {
      return is_refutation(e) && e.claim.text == id &&
             (words.subject.empty() || e.subject.text == words.subject);
    });
    if (refuted) return *name;
  }
  return std::nullopt;
}

/// Why there is nothing to replay: only an earlier run refuted it, there is no such claim, or none
/// of its refutations is of that subject.
Error nothing_to_replay(const std::string& id, const ReplayWords& words,
                        const std::vector<Evidence>& all) {
  if (const auto run = run_that_refuted(id, words)) {
    const bool latest = words.run.empty();
    return {fmt::format("{} did not refute {}; {} did", latest ? "the latest run" : words.run, id,
                        *run),
            fmt::format("replay that with: refute replay {} --run {}", id, *run)};
  }
  std::vector<std::string> ids, subjects;
  for (const Evidence& evidence : all) {
    ids.push_back(evidence.claim.text);
    if (evidence.claim.text == id) subjects.push_back(evidence.subject.text);
  }
  if (!subjects.empty()) {
    return {fmt::format("no refutation of {} on {} is on record", id, words.subject),
            fmt::format("there is one on {}", fmt::join(subjects, ", "))};
  }
  const std::string near = near_miss(id, ids);
  if (!near.empty()) {
    return {fmt::format("no refutation of {} is on record", id), did_you_mean(near)};
  }
  return {fmt::format("no refutation of '{}' is on record", id),
          ids.empty() ? "nothing was refuted by the latest run in " + words.store
                      : fmt::format("there are those of {}", fmt::join(sorted_unique(ids), ", "))};
}

int run_replay(ReplayWords words) {
  const auto all = refutations(words);
  if (!all) return complain(all.error().error), status(all.error().code);
  const auto project = open_project(words.project);
  print_findings(*project);
  if (project->bad) return status(*project->bad);
  std::vector<ExitCode> codes;
  for (const std::string& id : words.ids) {
    const auto found = of_claim(*all, id, words.subject);
    if (found.empty()) {
      complain(nothing_to_replay(id, words, *all));
      return status(ExitCode::nothing_selected);
    }
    for (const Evidence* evidence : found)
      codes.push_back(replay(*project, *evidence, words.store));
  }
  return status(pipeline::first_of(codes));
}

std::function<int()> attach(CLI::App& app) {
  auto words = std::make_shared<ReplayWords>();
  words->project.lint = false;
  app.add_option("id", words->ids, "Claims whose latest refutation is replayed")
      ->required()
      ->type_name("ID");
  app.add_option("--contracts", words->project.paths,
                 "Contracts, or folders of them (default: contracts)")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app.add_option("--subject", words->subject, "Only this subject")->type_name("NAME");
  app.add_option("--worker", words->project.workers, "A worker of your own (repeatable)")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app.add_option("--worker-dir", words->project.worker_folder,
                 "Folder of the falsify_* executables (default: beside refute)")
      ->type_name("DIR");
  app.add_option("--run", words->run, "Only what this run refuted (default: the latest)")
      ->type_name("ID");
  app.add_option("--store", words->store, "Folder of the runs' records (default .refute)")
      ->type_name("DIR");
  app.add_option("--evidence", words->evidence,
                 "Folder of the committed evidence (default reports/evidence)")
      ->type_name("DIR");
  return [words] { return run_replay(*words); };
}

}  // namespace

extern const Command kReplayCommand;
const Command kReplayCommand = {
    "replay",
    "Run the counterexample of an earlier refutation again. Exit 1: it still refutes; 0: "
    "something changed and it survives; 3: neither.",
    "  refute replay FALSIFY-CRUX-B-11-001\n"
    "  refute replay C-NF4-002 --subject cpu_simd\n",
    attach,
};

}  // namespace refute::cli
