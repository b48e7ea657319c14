#include "harness/cli/ledger_inputs.hpp"

#include <filesystem>
#include <map>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/cli/earlier_run.hpp"
#include "harness/pipeline/execute/line_cache.hpp"
#include "harness/pipeline/judge/changes.hpp"
#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/ledger_json.hpp"
#include "harness/pipeline/judge/report_rows.hpp"
#include "harness/pipeline/judge/report_words.hpp"

namespace refute::cli {
namespace {

/// The fixtures that any row reads or any level asks for.
std::set<std::string> fixtures_wanted(const Project& project) {
  std::set<std::string> wanted;
  for (const pipeline::BoundClaim& bound : project.bindings.bound) {
    wanted.insert(bound.row->fixtures.begin(), bound.row->fixtures.end());
    for (const auto& [level, requirement] : bound.claim->requirements) {
      if (!requirement.fixture.empty()) wanted.insert(requirement.fixture);
    }
  }
  return wanted;
}

/// Who only looks leaves no store behind: digests are remembered where a run has made one.
pipeline::Fixtures fixtures_of(const Project& project, const std::string& store) {
  std::error_code ignored;
  const bool there = std::filesystem::is_directory(store, ignored);
  pipeline::LineCache cache(there ? store + "/cache/file_digests.jsonl" : "");
  pipeline::FileDigests digests(cache);
  return pipeline::find_fixtures(project.locations.fixtures_index, fixtures_wanted(project),
                                 digests);
}

Result<std::optional<pipeline::StoredRun>, pipeline::StoreError> stored_run(
    const LedgerOptions& options) {
  if (options.run.empty()) return pipeline::load_latest(options.store);
  auto run = pipeline::load_run(options.store, options.run);
  if (!run) return run.take_error();
  return std::optional<pipeline::StoredRun>(*std::move(run));
}

/// A record that is not what its run wrote is no evidence; a name that is no run is a slip.
Refusal no_run(const LedgerOptions& options, const pipeline::StoreError& error) {
  if (error.damaged) return {ExitCode::not_verified, error};
  return {options.run.empty() ? ExitCode::no_verdict : ExitCode::usage, error};
}

std::string short_digest(const std::string& digest) {
  return digest.empty() ? "none" : digest.substr(0, 12);
}

std::string difference_words(const pipeline::Difference& d) {
  return fmt::format("{} ({} then, {} now)", pipeline::reason_words({d}), short_digest(d.was),
                     short_digest(d.now));
}

/// For each claim how many records no longer count, a line for each digest that changed.
std::vector<std::string> stale_lines(const pipeline::Ledger& ledger) {
  std::vector<std::string> lines;
  for (const pipeline::ClaimLedger& claim : ledger.claims) {
    std::map<std::string, std::size_t> records;  // by what changed: as a rule the same for all
    for (const pipeline::Stale& stale : claim.stale) {
      std::vector<std::string> words;
      for (const pipeline::Difference& d : stale.changed) words.push_back(difference_words(d));
      ++records[fmt::format("{}", fmt::join(words, ", "))];
    }
    for (const auto& [words, count] : records) {
      lines.push_back(
          fmt::format("{}: {}: {}", claim.claim.text, pipeline::counted(count, "record"), words));
    }
  }
  return lines;
}

std::size_t stale_records(const pipeline::Ledger& ledger) {
  std::size_t count = 0;
  for (const pipeline::ClaimLedger& claim : ledger.claims) count += claim.stale.size();
  return count;
}

}  // namespace

void add_ledger_options(CLI::App& app, LedgerOptions& options) {
  app.add_option("--contracts", options.project.paths,
                 "Contracts, or folders of them: all that the ledger covers (default: contracts)")
      ->type_name("PATH");
  app.add_option("--worker", options.project.workers, "A worker of your own (repeatable)")
      ->type_name("PATH");
  app.add_option("--worker-dir", options.project.worker_folder,
                 "Folder of the falsify_* executables (default: beside refute)")
      ->type_name("DIR");
  app.add_option("--store", options.store, "Folder of the runs' records")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--reports", options.reports, "Folder of the committed ledger and evidence")
      ->type_name("DIR")
      ->capture_default_str();
}

void add_run_option(CLI::App& app, LedgerOptions& options) {
  app.add_option("--run", options.run, "The run to take (default: the latest)")->type_name("ID");
}

Result<LedgerInputs, Refusal> ledger_inputs(const LedgerOptions& options) {
  LedgerInputs inputs;
  auto run = stored_run(options);
  if (!run) return no_run(options, run.error());
  inputs.run = *std::move(run);
  ProjectOptions project = options.project;
  if (options.as_the_run && inputs.run) adopt(project, earlier_run(inputs.run->facts.options));
  inputs.project = open_project(project);
  print_findings(*inputs.project);
  if (inputs.project->bad) {
    return Refusal{*inputs.project->bad,
                   {"there is no ledger while contracts, workers and bindings do not fit", ""}};
  }
  const pipeline::Fixtures fixtures = fixtures_of(*inputs.project, options.store);
  print_findings(fixtures.diagnostics);
  if (inputs.run) {
    for (const std::string& note : inputs.run->notes) fmt::print(stderr, "refute: {}\n", note);
  }
  inputs.today =
      today_of(*inputs.project, fixtures,
               inputs.run ? pipeline::architecture_of(inputs.run->evidence) : std::string());
  return inputs;
}

int refuse(const Refusal& refusal) {
  const Error& error = refusal.error;
  fmt::print(stderr, "refute: {}{}{}\n", error.what, error.hint.empty() ? "" : "; ", error.hint);
  return static_cast<int>(refusal.code);
}

Result<std::vector<std::string>> committed_problems(const LedgerInputs& inputs,
                                                    const pipeline::Committed& committed) {
  const auto& contracts = inputs.project->contracts;
  if (committed.ledger_text.empty()) {
    return std::vector<std::string>{"no ledger is committed: `refute run`, then `refute promote`"};
  }
  auto expected = pipeline::plan_promotion(contracts, inputs.today, committed.evidence, {});
  if (!expected) return expected.take_error();
  const pipeline::Ledger today = pipeline::judge(contracts, inputs.today, committed.evidence);
  std::vector<std::string> problems = stale_lines(today);
  const int orphans = expected->dropped - static_cast<int>(stale_records(today));
  if (orphans > 0) {
    problems.push_back(fmt::format(
        "{} committed records are of claims that no contract or no falsifier holds", orphans));
  }
  for (const pipeline::Change& change :
       pipeline::changes_since(baseline_of(committed), expected->ledger)) {
    problems.push_back(
        fmt::format("{}: {}, by the committed evidence", change.claim.text, change.words));
  }
  if (problems.empty() && expected->ledger_text != committed.ledger_text) {
    problems.push_back("ledger.json is not what the committed evidence gives");
  }
  return problems;
}

pipeline::Baseline baseline_of(const pipeline::Committed& committed) {
  pipeline::Baseline baseline;
  baseline.name = "the committed ledger";
  const auto ledger = pipeline::parse_ledger(committed.ledger_text);
  if (!ledger) return baseline;
  for (const pipeline::ClaimLedger& claim : ledger->ledger.claims) {
    baseline.levels[claim.claim] = claim.level;
  }
  return baseline;
}

}  // namespace refute::cli
