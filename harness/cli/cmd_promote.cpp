// promote: makes the latest run's evidence the committed evidence, and the ledger what that
// evidence gives.

#include <optional>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/cli/command.hpp"
#include "harness/cli/ledger_inputs.hpp"
#include "harness/model/near_miss.hpp"
#include "harness/pipeline/judge/changes.hpp"
#include "harness/pipeline/judge/report_rows.hpp"
#include "harness/pipeline/judge/report_words.hpp"
#include "harness/pipeline/judge/verify.hpp"

namespace refute::cli {
namespace {

struct PromoteWords {
  LedgerOptions ledger;
  std::vector<std::string> forget;  ///< contracts whose evidence may go
  bool check = false;
  bool interrupted = false;  ///< take a run that was cut short
  bool drop_stale = false;   ///< take a run that only takes evidence away
};

/// The committed state, repaired if a promote was killed half-way. Damage is refused: promoting
/// over it would hide it.
Result<pipeline::Committed, Refusal> committed_of(const PromoteWords& words) {
  const std::string& reports = words.ledger.reports;
  if (!words.check) {
    if (auto error = pipeline::recover(reports)) {
      return Refusal{ExitCode::no_verdict, *std::move(error)};
    }
  }
  const auto damage = pipeline::verify_folder(reports);
  if (!damage.empty()) {
    return Refusal{ExitCode::not_verified,
                   {fmt::format("{}/{}: {}: {}", reports, damage[0].path,
                                to_string(damage[0].damage), damage[0].what),
                    "`refute verify` lists all that is wrong; restore the files first"}};
  }
  auto committed = pipeline::load_committed(reports);
  if (!committed) return Refusal{ExitCode::not_verified, committed.take_error()};
  return *std::move(committed);
}

/// A contract whose evidence is committed and which is not among those given: most likely not all
/// were given.
std::optional<std::string> contract_missing(const PromoteWords& words, const LedgerInputs& inputs,
                                            const pipeline::Committed& committed) {
  std::set<std::string> known(words.forget.begin(), words.forget.end());
  for (const Contract& contract : inputs.project->contracts) known.insert(contract.id.text);
  for (const Evidence& e : committed.evidence) {
    if (!known.contains(e.contract.text)) return e.contract.text;
  }
  return std::nullopt;
}

/// A word of --forget that no committed evidence answers to.
std::optional<Error> forget_nothing(const PromoteWords& words,
                                    const pipeline::Committed& committed) {
  std::set<std::string> known;
  for (const Evidence& e : committed.evidence) known.insert(e.contract.text);
  const std::vector<std::string> names(known.begin(), known.end());
  for (const std::string& word : words.forget) {
    if (known.contains(word)) continue;
    const std::string near = near_miss(word, names);
    return Error{fmt::format("--forget {}: no evidence of such a contract is committed", word),
                 !near.empty()   ? did_you_mean(near)
                 : names.empty() ? "none is committed at all"
                                 : fmt::format("there is that of {}", fmt::join(names, ", "))};
  }
  return std::nullopt;
}

/// Why the run had better not be promoted.
std::optional<Refusal> unfit(const PromoteWords& words, const pipeline::StoredRun& run) {
  if (!run.newer.empty()) {
    return Refusal{
        ExitCode::usage,
        {fmt::format("the newest run, {}, did not finish, and the one before it, {}, knows nothing "
                     "of what it found",
                     run.newer.back(), run.facts.id),
         fmt::format("run again, or take the older one with --run {}", run.facts.id)}};
  }
  if (words.interrupted || (run.facts.finished && !run.facts.interrupted)) return std::nullopt;
  return Refusal{ExitCode::usage,
                 {fmt::format("the run {} was cut short", run.facts.id),
                  "run again, or take what it came to with --interrupted"}};
}

/// A run of some claims only, while the evidence of others went stale: those would be left with
/// none, though nothing was tried that speaks against them.
std::optional<Refusal> only_takes(const PromoteWords& words, const pipeline::Promotion& promotion,
                                  const pipeline::Committed& before) {
  if (words.drop_stale || promotion.dropped == 0) return std::nullopt;
  std::size_t bereft = 0;
  for (const pipeline::Change& change :
       pipeline::changes_since(baseline_of(before), promotion.ledger)) {
    const pipeline::ClaimLedger* claim = promotion.ledger.find(change.claim);
    bereft += change.kind == pipeline::ChangeKind::lowered && claim->records.empty();
  }
  if (bereft == 0) return std::nullopt;
  return Refusal{
      ExitCode::stale,
      {fmt::format("{} would be left without evidence: {} committed records are stale, and the run "
                   "has nothing new on them",
                   pipeline::counted(bereft, "claim"), promotion.dropped),
       "`refute run` of all contracts first, or let it go with --drop-stale"}};
}

int check(const LedgerInputs& inputs, const pipeline::Committed& committed) {
  const auto problems = committed_problems(inputs, committed);
  if (!problems) return refuse({ExitCode::no_verdict, problems.error()});
  for (const std::string& problem : *problems) fmt::print("stale: {}\n", problem);
  if (!problems->empty()) return static_cast<int>(ExitCode::stale);
  fmt::print("the committed ledger is what the committed evidence gives today\n");
  return static_cast<int>(ExitCode::ok);
}

void print_promotion(const pipeline::Promotion& promotion, const pipeline::Committed& before) {
  fmt::print(
      "{} records added, {} attested by this machine, {} stale ones dropped, {} of the run "
      "left out\n",
      promotion.added, promotion.attested, promotion.dropped, promotion.left_out);
  for (const pipeline::Change& change :
       pipeline::changes_since(baseline_of(before), promotion.ledger)) {
    fmt::print("  {}: {}\n", change.claim.text, change.words);
  }
  fmt::print("{}\n", pipeline::level_summary(promotion.ledger));
}

int promote(const PromoteWords& words) {
  const auto committed = committed_of(words);
  if (!committed) return refuse(committed.error());
  const auto inputs = ledger_inputs(words.ledger);
  if (!inputs) return refuse(inputs.error());
  if (words.check) return check(*inputs, *committed);
  if (!inputs->run) {
    return refuse({ExitCode::nothing_selected,
                   {"there is no run in " + words.ledger.store, "`refute run` makes one"}});
  }
  if (const auto refusal = unfit(words, *inputs->run)) return refuse(*refusal);
  if (const auto error = forget_nothing(words, *committed)) {
    return refuse({ExitCode::usage, *error});
  }
  if (const auto missing = contract_missing(words, *inputs, *committed)) {
    return refuse(
        {ExitCode::usage,
         {fmt::format("evidence of {} is committed, and no such contract is here", *missing),
          fmt::format("give all contracts, or let it go with --forget {}", *missing)}});
  }
  const auto promotion = pipeline::plan_promotion(inputs->project->contracts, inputs->today,
                                                  committed->evidence, inputs->run->evidence);
  if (!promotion) return refuse({ExitCode::findings, promotion.error()});
  if (const auto refusal = only_takes(words, *promotion, *committed)) return refuse(*refusal);
  if (promotion->records == 0 && promotion->dropped == 0) {
    return refuse(
        {ExitCode::nothing_selected,
         {fmt::format("nothing of the run is evidence: all {} of its records were declined, "
                      "timed out, broken or are stale",
                      promotion->left_out),
          "`refute report` says which"}});
  }
  if (auto error = pipeline::write_promotion(words.ledger.reports, *promotion)) {
    return refuse({ExitCode::no_verdict, *error});
  }
  print_promotion(*promotion, *committed);
  return static_cast<int>(ExitCode::ok);
}

std::function<int()> attach(CLI::App& app) {
  auto words = std::make_shared<PromoteWords>();
  add_ledger_options(app, words->ledger);
  add_run_option(app, words->ledger);
  app.add_option("--forget", words->forget,
                 "Drop the evidence of a contract that is gone (repeatable)")
      ->type_name("ID");
  app.add_flag("--interrupted", words->interrupted, "Take a run that was cut short");
  app.add_flag("--drop-stale", words->drop_stale,
               "Drop stale evidence of claims that the run has nothing new on");
  app.add_flag("--check", words->check,
               "Write nothing; exit 6 when the committed ledger is not what the committed evidence "
               "and today's inputs give");
  return [words] { return promote(*words); };
}

}  // namespace

extern const Command kPromoteCommand;
const Command kPromoteCommand = {
    "promote",
    "Make the latest run's evidence the committed evidence under reports/, and write the ledger "
    "that "
    "follows from it. It runs no git.",
    "  refute promote                                   after `refute run`; then commit reports/\n"
    "  refute promote --check                           in CI: exit 6 when the ledger went stale\n",
    attach,
};

}  // namespace refute::cli
