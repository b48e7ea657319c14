#include "harness/cli/project.hpp"

#include <algorithm>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "harness/pipeline/execute/environment.hpp"
#include "harness/pipeline/load/diagnostics.hpp"

namespace refute::cli {
namespace {

std::vector<std::string> contract_paths(const ProjectOptions& options,
                                        const pipeline::Locations& locations) {
  if (!options.paths.empty()) return options.paths;
  std::error_code ignored;
  return {std::filesystem::is_directory("contracts", ignored) ? "contracts" : locations.contracts};
}

/// The exit code of a registry that has errors: a worker that the user named is a mistake on the
/// command line, one in the worker folder is a world that misbehaves.
ExitCode registry_code(const ProjectOptions& options, const Diagnostics& diagnostics) {
  const bool by_user = std::ranges::any_of(diagnostics, [&](const Diagnostic& d) {
    return std::ranges::find(options.workers, d.file) != options.workers.end() ||
           d.file == options.worker_folder;
  });
  return by_user ? ExitCode::usage : ExitCode::no_verdict;
}

void note(Project& project, ExitCode code) {
  if (!project.bad && code != ExitCode::ok) project.bad = code;
}

ExitCode code_of(const Diagnostics& diagnostics, ExitCode when_bad) {
  return pipeline::has_errors(diagnostics) ? when_bad : ExitCode::ok;
}

/// The contracts' own findings that stop a run, and all of those about workers and bindings but the
/// mere remarks.
Diagnostics worth_showing(const Project& project) {
  Diagnostics shown;
  for (const Diagnostic& d : project.loaded.diagnostics) {
    if (d.severity == Severity::error) shown.push_back(d);
  }
  for (const Diagnostics* from : {&project.registry.diagnostics, &project.bindings.diagnostics}) {
    for (const Diagnostic& d : *from) {
      if (d.severity != Severity::info) shown.push_back(d);
    }
  }
  return shown;
}

}  // namespace

// A repeatable option takes one value each time: CLI11 would let `--worker W contract.yaml` swallow
// the contract.
void add_project_options(CLI::App& app, ProjectOptions& options) {
  app.add_option("path", options.paths, "Contracts, or folders of them (default: contracts)")
      ->type_name("PATH");
  app.add_option("--worker", options.workers,
                 "A worker of your own: falsifiers or a subject server (repeatable)")
      ->type_name("PATH")
      ->allow_extra_args(false);
  app.add_option("--worker-dir", options.worker_folder,
                 "Folder of the falsify_* executables (default: beside refute)")
      ->type_name("DIR");
}

std::unique_ptr<Project> open_project(const ProjectOptions& options) {
  auto project = std::make_unique<Project>();
  project->locations = pipeline::locations_from(pipeline::executable_folder());
  if (!options.worker_folder.empty()) project->locations.workers = options.worker_folder;
  project->paths = contract_paths(options, project->locations);
  project->loaded = pipeline::load_contracts(
      project->paths, {.threads = 0, .levels = nullptr, .lint = options.lint});
  note(*project, pipeline::exit_codes(project->loaded, false).front());
  project->contracts = std::exchange(project->loaded.contracts, {});
  project->registry = pipeline::find_workers(
      {project->locations.workers, options.workers, project->locations.canary_worker,
       pipeline::worker_environment(::environ, pipeline::executable_path())});
  const Diagnostics& about_workers = project->registry.diagnostics;
  note(*project, code_of(about_workers, registry_code(options, about_workers)));
  project->bindings = pipeline::bind_claims(project->contracts, project->registry);
  note(*project, code_of(project->bindings.diagnostics, ExitCode::findings));
  return project;
}

Diagnostics errors_of(const Project& project) {
  Diagnostics errors = worth_showing(project);
  std::erase_if(errors, [](const Diagnostic& d) { return d.severity != Severity::error; });
  return errors;
}

void print_findings(const Project& project) {
  pipeline::LoadResult shown;
  shown.diagnostics = worth_showing(project);
  shown.sources = project.loaded.sources;
  shown.unreadable = project.loaded.unreadable;
  const bool any = !shown.diagnostics.empty() || !shown.unreadable.empty();
  if (any) fmt::print(stderr, "{}", pipeline::render_text(shown, {}));
  if (project.bad == ExitCode::nothing_selected) {
    fmt::print(stderr, "refute: there is no contract in {}; contracts are files *.yaml or *.yml\n",
               fmt::join(project.paths, ", "));
  }
  const auto warnings =
      std::ranges::count(project.loaded.diagnostics, Severity::warning, &Diagnostic::severity);
  if (warnings > 0) {
    fmt::print(stderr, "refute: {} warning{} about the contracts; refute validate shows {}\n",
               warnings, warnings == 1 ? "" : "s", warnings == 1 ? "it" : "them");
  }
}

void print_findings(const Diagnostics& diagnostics) {
  for (const Diagnostic& d : diagnostics) {
    fmt::print(stderr, "{}: {}[{}]: {}\n    {}\n", d.file, pipeline::to_string(d.severity), d.code,
               d.message, d.help);
  }
}

pipeline::Today today_of(const Project& project, const pipeline::Fixtures& fixtures,
                         const std::string& architecture) {
  pipeline::Today today;
  today.fixtures = fixtures.digests;
  today.architecture = architecture;
  for (const pipeline::BoundClaim& bound : project.bindings.bound) {
    pipeline::Binding& binding = today.bound[bound.claim->id];
    for (const char* backend : {"cpu", "cuda"})
      binding.sources[backend] = source_of(*bound.worker, SubjectName{backend});
    binding.subjects.insert(bound.row->subjects.begin(), bound.row->subjects.end());
    for (const pipeline::BoundSubject& subject : bound.subjects) {
      binding.subjects.insert(subject.name);
      if (!subject.server.empty()) binding.sources[subject.name.text] = subject.source;
    }
  }
  return today;
}

}  // namespace refute::cli
