// status: how far each claim is discharged, by the committed evidence and the latest run together.

#include <algorithm>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fnmatch.h>
#include <unistd.h>

#include "harness/cli/command.hpp"
#include "harness/cli/ledger_inputs.hpp"
#include "harness/cli/report_outputs.hpp"
#include "harness/pipeline/judge/evidence.hpp"
#include "harness/pipeline/judge/exit_codes.hpp"
#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/verify.hpp"

namespace refute::cli {
namespace {

struct StatusWords {
  LedgerOptions ledger;
  std::vector<std::string> claims;
  std::string level, format = "text";
  bool check = false, json = false;
};

/// Keeps the claims that were asked for. False: a level that is no word.
bool select(const StatusWords& words, pipeline::Ledger& ledger) {
  std::optional<Level> level;
  if (!words.level.empty() && !(level = level_from(words.level))) return false;
  std::erase_if(ledger.claims, [&](const pipeline::ClaimLedger& claim) {
    if (level && claim.level != *level) return true;
    return !words.claims.empty() &&
           std::ranges::none_of(words.claims, [&](const std::string& glob) {
             return ::fnmatch(glob.c_str(), claim.claim.text.c_str(), 0) == 0;
           });
  });
  return true;
}

/// What --check finds: damage first, for the rest means nothing on damaged evidence.
std::vector<ExitCode> check(const StatusWords& words, const LedgerInputs& inputs,
                            const pipeline::Committed& committed) {
  const auto damage = pipeline::verify_folder(words.ledger.reports);
  for (const pipeline::VerifyFinding& finding : damage) {
    fmt::print(stderr, "refute: {}: {}: {}\n", to_string(finding.damage), finding.path,
               finding.what);
  }
  if (!damage.empty()) return {ExitCode::not_verified};
  const auto problems = committed_problems(inputs, committed);
  if (!problems) return {static_cast<ExitCode>(refuse({ExitCode::no_verdict, problems.error()}))};
  for (const std::string& problem : *problems) fmt::print(stderr, "refute: stale: {}\n", problem);
  if (!problems->empty()) return {ExitCode::stale};
  return {};
}

int status(const StatusWords& words) {
  const std::string format = words.json ? "json" : words.format;
  if (!is_report_format(format)) {
    return refuse({ExitCode::usage,
                   {fmt::format("--format {}: there is no such format", format),
                    "there are " + report_format_names()}});
  }
  const auto inputs = ledger_inputs(words.ledger);
  if (!inputs) return refuse(inputs.error());
  auto committed = pipeline::load_committed(words.ledger.reports);
  if (!committed) return refuse({ExitCode::not_verified, committed.error()});

  if (committed->ledger_text.empty() && !words.check) {
    fmt::print(stderr, "refute: no evidence is committed in {}; --reports names another folder\n",
               words.ledger.reports);
  }
  pipeline::RunReport report;
  report.contracts = inputs->project->contracts;
  report.evidence = committed->evidence;
  if (inputs->run) {
    report.facts = inputs->run->facts;
    report.notes = inputs->run->notes;
    report.evidence.insert(report.evidence.end(), inputs->run->evidence.begin(),
                           inputs->run->evidence.end());
  }
  report.evidence = pipeline::merge(std::move(report.evidence));
  report.ledger = pipeline::judge(report.contracts, inputs->today, report.evidence);
  if (!select(words, report.ledger)) {
    return refuse({ExitCode::usage,
                   {fmt::format("--level {}: there is no such level", words.level),
                    "there are UNBOUND, OPEN, PARTIAL_ALGORITHM_LEVEL, FUNCTIONAL, DISCHARGED and "
                    "REFUTED"}});
  }
  std::vector<ExitCode> codes;
  if (report.ledger.claims.empty()) codes.push_back(ExitCode::nothing_selected);
  if (words.check) {
    for (const ExitCode code : check(words, *inputs, *committed)) codes.push_back(code);
  }
  report.exits = pipeline::in_order(std::move(codes));
  const bool color = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  fmt::print("{}", render_report(report, format, color));
  return static_cast<int>(pipeline::first_of(report.exits));
}

std::function<int()> attach(CLI::App& app) {
  auto words = std::make_shared<StatusWords>();
  add_ledger_options(app, words->ledger);
  app.add_option("--claim", words->claims, "Only claims whose id matches GLOB (repeatable)")
      ->type_name("GLOB");
  app.add_option("--level", words->level,
                 "Only claims at this level: UNBOUND, OPEN, PARTIAL_ALGORITHM_LEVEL, FUNCTIONAL, "
                 "DISCHARGED, REFUTED")
      ->type_name("LEVEL");
  app.add_flag("--check", words->check,
               "Exit 6 when the committed ledger or evidence does not match today's inputs");
  app.add_option("--format", words->format, "Status on stdout: " + report_format_names())
      ->type_name("FORMAT");
  app.add_flag("--json", words->json, "Short for --format json");
  return [words] { return status(*words); };
}

}  // namespace

extern const Command kStatusCommand;
const Command kStatusCommand = {
    "status",
    "Show how far each claim is discharged, by the committed evidence and the latest run.",
    "  refute status\n"
    "  refute status --level OPEN                       what is still to be done\n"
    "  refute status --check                            in CI: exit 6 when something went stale\n"
    "  refute status --claim 'C-NF4-*' --json\n",
    attach,
};

}  // namespace refute::cli
