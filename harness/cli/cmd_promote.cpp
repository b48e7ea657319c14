// promote: makes the latest run's evidence the committed evidence, and the ledger what that
// evidence gives.

#include <optional>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "harness/cli/command.hpp"
#include "harness/cli/ledger_inputs.hpp"
#include "harness/pipeline/judge/changes.hpp"
#include "harness/pipeline/judge/report_rows.hpp"
#include "harness/pipeline/judge/verify.hpp"

namespace refute::cli {
namespace {

struct PromoteWords {
  LedgerOptions ledger;
  std::vector<std::string> forget;  ///< contracts whose evidence may go
  bool check = false;
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
  if (const auto missing = contract_missing(words, *inputs, *committed)) {
    return refuse(
        {ExitCode::usage,
         {fmt::format("evidence of {} is committed, and no such contract is here", *missing),
          fmt::format("give all contracts, or let it go with --forget {}", *missing)}});
  }
  const auto promotion = pipeline::plan_promotion(inputs->project->contracts, inputs->today,
                                                  committed->evidence, inputs->run->evidence);
  if (!promotion) return refuse({ExitCode::findings, promotion.error()});
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
