// run: load → lint → registry → bind → plan → execute → judge → store → report.

#include <cstdlib>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "harness/cli/command.hpp"
#include "harness/cli/run_options.hpp"
#include "harness/cli/run_plan.hpp"
#include "harness/cli/run_record.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/execute/canary.hpp"
#include "harness/pipeline/execute/environment.hpp"
#include "harness/pipeline/judge/exit_codes.hpp"
#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/machine.hpp"
#include "harness/pipeline/judge/tally.hpp"

namespace refute::cli {
namespace {

int status(ExitCode code) {
  return static_cast<int>(code);
}

int refuse(const Error& error, ExitCode code) {
  fmt::print(stderr, "refute: {}{}{}\n", error.what, error.hint.empty() ? "" : "; ", error.hint);
  return status(code);
}

/// Who reads stdout as JSON gets an object, also where nothing was run; stderr says the same to a
/// person.
int nothing_run(const RunOptions& options, ExitCode code, const Error& error,
                Diagnostics findings = {}) {
  if (options.format != "json") return status(code);
  Value list{Value::List{}};
  for (const Diagnostic& d : findings) {
    list.push(Value::Map{{"code", d.code},
                         {"file", d.file},
                         {"line", d.span.line},
                         {"column", d.span.column},
                         {"message", d.message},
                         {"help", d.help}});
  }
  fmt::print("{}", json::dump_pretty(Value::Map{{"error", error.what},
                                                {"hint", error.hint},
                                                {"exit_code", static_cast<int>(code)},
                                                {"findings", std::move(list)}}));
  return status(code);
}

/// In a sentence why this project cannot be run; the findings say it in full.
std::string why_not(const Project& project, const Diagnostics& errors) {
  if (!project.loaded.unreadable.empty()) return project.loaded.unreadable.front().what;
  if (!errors.empty()) return errors.front().message;
  return fmt::format("there is no contract in {}", fmt::join(project.paths, ", "));
}

int nothing_run(const Project& project, const RunOptions& options) {
  const Diagnostics errors = errors_of(project);
  return nothing_run(options, *project.bad,
                     {why_not(project, errors), "stderr says what is wrong, and where"}, errors);
}

std::string architecture_of(const std::vector<Evidence>& evidence) {
  for (const Evidence& e : evidence) {
    if (!e.provenance.architecture.empty()) return e.provenance.architecture;
  }
  return "";
}

pipeline::RunFacts facts_of(const Project& project, const RunOptions& options) {
  pipeline::RunFacts facts;
  facts.seed = options.seed;
  facts.options = to_value(options);
  facts.toolchain = Value::Map{};
  for (const pipeline::WorkerInfo& worker : project.registry.workers)
    facts.toolchain.set(worker.name, worker.toolchain);
  facts.machine = pipeline::fingerprint(pipeline::read_machine());
  return facts;
}

/// The caches of a run, which live in its store.
struct Caches {
  pipeline::LineCache file_digests, vacuity_lines;
  pipeline::VacuityCache vacuity;

  explicit Caches(const std::string& store)
      : file_digests(store + "/cache/file_digests.jsonl"),
        vacuity_lines(store + "/cache/vacuity.jsonl"),
        vacuity(vacuity_lines) {}
  ~Caches() {
    for (const pipeline::LineCache* cache : {&file_digests, &vacuity_lines}) {
      for (const std::string& warning : cache->warnings())
        fmt::print(stderr, "refute: warning: {}\n", warning);
    }
  }
  Caches(const Caches&) = delete;
  Caches& operator=(const Caches&) = delete;
};

pipeline::Execution execute_plan(const RunPlan& plan, const RunOptions& options, Caches& caches,
                                 pipeline::Lifeline& lifeline, RunRecord& record) {
  const pipeline::StopSignal stop;
  pipeline::ExecuteOptions execute;
  execute.width = options.jobs;
  execute.environment = pipeline::worker_environment(::environ, pipeline::executable_path());
  execute.cache = options.use_cache ? &caches.vacuity : nullptr;
  execute.lifeline = &lifeline;
  execute.stop = &stop;
  return pipeline::execute(plan.jobs, execute, record.observer());
}

/// Exit codes that follow from how the run went, beside those that follow from its evidence.
std::vector<ExitCode> mishaps(const pipeline::Execution& execution, const RunRecord& record) {
  std::vector<ExitCode> codes;
  if (execution.sink_failed) {
    codes.push_back(ExitCode::no_verdict);
    fmt::print(stderr, "refute: the run was stopped, because its record cannot be kept: {}\n",
               execution.sink_failed->what);
  }
  if (!execution.complete) return codes;
  const std::vector<std::string> problems = pipeline::canary_problems(record.canaries);
  for (const std::string& problem : problems) {
    codes.push_back(ExitCode::internal);
    fmt::print(stderr,
               "refute: the harness cannot be trusted, and no verdict of this run counts: {}\n",
               problem);
  }
  if (problems.empty()) {
    fmt::print(
        stderr,
        "refute: canary caught: {} jobs that crash, hang, lie or cannot fail were told apart\n",
        record.canaries.size());
  }
  return codes;
}

pipeline::RunReport report_of(const Project& project, const RunPlan& plan,
                              const RunOptions& options, const RunRecord& record,
                              const pipeline::RunWriter& store, std::vector<ExitCode> codes) {
  const pipeline::Today today = today_of(project, plan.fixtures, architecture_of(record.evidence));
  pipeline::RunReport report;
  report.contracts = plan.contracts;
  report.evidence = record.evidence;
  report.observations = record.observations;
  report.facts = store.facts();
  report.ledger = pipeline::judge(plan.contracts, today, record.evidence);
  for (const ExitCode code : pipeline::all_that_apply(
           plan.contracts, report.ledger, record.evidence, {options.min_level, plan.required})) {
    codes.push_back(code);
  }
  report.exits = pipeline::in_order(std::move(codes));
  return report;
}

/// Prints and writes the report. False when a file could not be written.
bool publish(const pipeline::RunReport& report, const RunOptions& options) {
  const bool color = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  fmt::print("{}", render_report(report, options.format, color));
  std::fflush(stdout);
  bool written = true;
  for (const ReportOutput& output : options.outputs) {
    const auto error = write_report(report, output);
    if (!error) continue;
    written = false;
    fmt::print(stderr, "refute: {}\n", error->what);
  }
  fmt::print(options.format == "text" ? stdout : stderr, "{}\n",
             pipeline::to_line(pipeline::tally(report.contracts, report.evidence)));
  return written;
}

int run(const RunOptions& options) {
  pipeline::Lifeline lifeline;  // forks: to be made while this process is small
  const auto project = open_project(options.project);
  print_findings(*project);
  if (project->bad) return nothing_run(*project, options);

  Caches caches(options.store);
  const auto plan = plan_run(*project, options, caches.file_digests);
  if (!plan) {
    refuse(plan.error().error, plan.error().code);
    return nothing_run(options, plan.error().code, plan.error().error);
  }
  print_findings(plan->fixtures.diagnostics);

  auto store = pipeline::RunWriter::create(options.store, facts_of(*project, options));
  if (!store) return refuse(store.error(), ExitCode::no_verdict);
  RunRecord record(*plan, options, *store);
  const pipeline::Execution execution = execute_plan(*plan, options, caches, lifeline, record);

  std::vector<ExitCode> codes = mishaps(execution, record);
  if (const auto error = store->finish(!execution.complete)) {
    codes.push_back(ExitCode::no_verdict);
    refuse(*error, ExitCode::no_verdict);
  }
  const auto report = report_of(*project, *plan, options, record, *store, codes);
  codes = report.exits;
  if (!publish(report, options)) codes.push_back(ExitCode::no_verdict);
  if (execution.signal) {
    fmt::print(stderr, "refute: interrupted (exit {}); what had finished is in {}\n",
               128 + *execution.signal, store->folder());
    return 128 + *execution.signal;
  }
  return status(pipeline::first_of(pipeline::in_order(std::move(codes))));
}

std::function<int()> attach(CLI::App& app) {
  auto words = std::make_shared<RunWords>();
  add_run_options(app, *words);
  return [words] {
    const auto options = parse_run_options(*words);
    return options ? run(*options) : refuse(options.error(), ExitCode::usage);
  };
}

}  // namespace

extern const Command kRunCommand;
const Command kRunCommand = {
    "run",
    "Try to refute the claims of the contracts, and report how far each is discharged.",
    "  refute run                                       every contract under contracts/\n"
    "  refute run contracts/nf4-v1.yaml --claim 'C-NF4-*' --subject cpu_simd\n"
    "  refute run --worker ./my_kernel.py --subject mine your own kernel under our contract\n"
    "  refute run --nightly --output junit=run.xml      with a fresh seed, which is recorded\n"
    "  refute run --shard 2/5 --require cuda            in CI, on one of five machines\n",
    attach,
};

}  // namespace refute::cli
