// report: what a run showed, once more, in any format, and compared with an earlier state.

#include <cstdlib>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/command.hpp"
#include "harness/cli/earlier_run.hpp"
#include "harness/cli/ledger_inputs.hpp"
#include "harness/cli/report_outputs.hpp"
#include "harness/pipeline/judge/exit_codes.hpp"
#include "harness/pipeline/judge/judge.hpp"

namespace refute::cli {
namespace {

struct ReportWords {
  LedgerOptions ledger;
  std::vector<std::string> outputs;
  std::string format = "text", baseline;
  bool json = false;
};

/// The claims that the run was about: a run of one contract is not reported as a failure to run the
/// others.
std::vector<Contract> contracts_of(const std::vector<Contract>& contracts,
                                   const std::vector<Evidence>& evidence) {
  std::set<std::pair<ContractId, ClaimId>> ran;
  for (const Evidence& e : evidence) ran.emplace(e.contract, e.claim);
  std::vector<Contract> selected = contracts;
  for (Contract& contract : selected) {
    std::erase_if(contract.claims, [&](const Claim& claim) {
      return !ran.contains({contract.id, claim.id});
    });
  }
  std::erase_if(selected, [](const Contract& contract) { return contract.claims.empty(); });
  return selected;
}

/// What the run was asked to hold: a report of it exits as the run did.
pipeline::Demands demands_of(const Project& project, const pipeline::RunFacts& facts) {
  const EarlierRun run = earlier_run(facts.options);
  pipeline::Demands demands{run.min_level, {}};
  const auto jobs = pipeline::plan(project.bindings.bound, {});
  if (jobs) demands.required = required_by(run.require, *jobs);
  return demands;
}

pipeline::RunReport report_of(const LedgerInputs& inputs,
                              std::optional<pipeline::Baseline> baseline) {
  const pipeline::StoredRun& run = *inputs.run;
  pipeline::RunReport report;
  report.contracts = contracts_of(inputs.project->contracts, run.evidence);
  report.evidence = run.evidence;
  report.observations = run.observations;
  report.facts = run.facts;
  report.notes = run.notes;
  report.ledger = pipeline::judge(report.contracts, inputs.today, run.evidence);
  report.exits = pipeline::all_that_apply(report.contracts, report.ledger, run.evidence,
                                          demands_of(*inputs.project, run.facts));
  // A run that was cut short says nothing of what it did not come to.
  if (run.facts.interrupted || !run.facts.finished) report.exits.push_back(ExitCode::no_verdict);
  report.exits = pipeline::in_order(std::move(report.exits));
  if (baseline) {
    // What the run did not touch cannot have changed by it.
    std::erase_if(baseline->levels,
                  [&](const auto& entry) { return !report.ledger.find(entry.first); });
  }
  report.baseline = std::move(baseline);
  return report;
}

/// The outputs that were asked for; an error names the bad word.
Result<std::vector<ReportOutput>> outputs_of(const ReportWords& words) {
  std::vector<ReportOutput> outputs;
  for (const std::string& text : words.outputs) {
    auto output = parse_output(text);
    if (!output) return output.take_error();
    if (auto error = check_output(*output)) return *std::move(error);
    outputs.push_back(*std::move(output));
  }
  return outputs;
}

int publish(const pipeline::RunReport& report, const std::string& format,
            const std::vector<ReportOutput>& outputs) {
  const bool color = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  fmt::print("{}", render_report(report, format, color));
  std::vector<ExitCode> codes = report.exits;
  for (const ReportOutput& output : outputs) {
    if (const auto error = write_report(report, output)) {
      refuse({ExitCode::no_verdict, *error});
      codes.push_back(ExitCode::no_verdict);
    }
  }
  return static_cast<int>(pipeline::first_of(codes));
}

int report(const ReportWords& words) {
  const std::string format = words.json ? "json" : words.format;
  if (!is_report_format(format)) {
    return refuse({ExitCode::usage,
                   {fmt::format("--format {}: there is no such format", format),
                    "there are " + report_format_names()}});
  }
  const auto outputs = outputs_of(words);
  if (!outputs) return refuse({ExitCode::usage, outputs.error()});
  std::optional<pipeline::Baseline> baseline;
  if (!words.baseline.empty()) {
    auto loaded = pipeline::load_baseline(words.baseline);
    if (!loaded) return refuse({ExitCode::usage, loaded.error()});
    baseline = *std::move(loaded);
  }
  LedgerOptions ledger = words.ledger;
  ledger.as_the_run = true;
  const auto inputs = ledger_inputs(ledger);
  if (!inputs) return refuse(inputs.error());
  if (!inputs->run) {
    return refuse({ExitCode::nothing_selected,
                   {"there is no run in " + words.ledger.store, "`refute run` makes one"}});
  }
  return publish(report_of(*inputs, std::move(baseline)), format, *outputs);
}

std::function<int()> attach(CLI::App& app) {
  auto words = std::make_shared<ReportWords>();
  add_ledger_options(app, words->ledger);
  add_run_option(app, words->ledger);
  app.add_option("--format", words->format, "Report on stdout: " + report_format_names())
      ->type_name("FORMAT");
  app.add_flag("--json", words->json, "Short for --format json");
  app.add_option("--output", words->outputs,
                 "Write the report to a file as well, and make its folder (repeatable)")
      ->type_name("FORMAT=PATH");
  app.add_option("--baseline", words->baseline,
                 "An earlier JSON report, a ledger.json, or a folder that holds one: what changed "
                 "since comes first")
      ->type_name("FILE|DIR");
  return [words] { return report(*words); };
}

}  // namespace

extern const Command kReportCommand;
const Command kReportCommand = {
    "report",
    "Show what a run found, and exit by its evidence (3 when it was cut short).",
    "  refute report                                    the latest run\n"
    "  refute report --format md --baseline reports     for a pull request\n"
    "  refute report --run 20261120-233108-0 --output junit=run.xml --output json=run.json\n",
    attach,
};

}  // namespace refute::cli
