#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/project.hpp"
#include "harness/cli/run_plan.hpp"
#include "harness/model/result.hpp"
#include "harness/pipeline/judge/promote.hpp"
#include "harness/pipeline/judge/report.hpp"
#include "harness/pipeline/judge/store.hpp"
#include "harness/pipeline/judge/today.hpp"

namespace CLI {
class App;
}

namespace refute::cli {

/// What status, report and promote are told alike. Status and promote always speak of all
/// contracts: a ledger over some of them would call the evidence of the others gone. A report
/// speaks of its run.
struct LedgerOptions {
  ProjectOptions project;
  std::string store = ".refute", reports = "reports";
  std::string run;          ///< id of a run; empty: the latest
  bool as_the_run = false;  ///< contracts and workers are the run's, where none were named
};

void add_ledger_options(CLI::App& app, LedgerOptions& options);
void add_run_option(CLI::App& app, LedgerOptions& options);

/// What a ledger is judged from, except for the committed evidence.
struct LedgerInputs {
  std::unique_ptr<Project> project;
  std::optional<pipeline::StoredRun> run;  ///< none: the store is empty
  pipeline::Today today;
};

/// Opens contracts, workers, fixtures and the store. What is wrong with them is printed; a refusal
/// says why there can be no ledger.
Result<LedgerInputs, Refusal> ledger_inputs(const LedgerOptions& options);

/// Prints "refute: WHAT; HINT" and gives the exit status.
int refuse(const Refusal& refusal);

/// What is wrong with the committed ledger and evidence, given today's inputs; empty: nothing.
Result<std::vector<std::string>> committed_problems(const LedgerInputs& inputs,
                                                    const pipeline::Committed& committed);

/// The levels that are committed, to compare with.
pipeline::Baseline baseline_of(const pipeline::Committed& committed);

}  // namespace refute::cli
