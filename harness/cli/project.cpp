#include "harness/cli/project.hpp"

#include <algorithm>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "harness/pipeline/execute/environment.hpp"
#include "harness/pipeline/load/contract.hpp"

namespace refute::cli {
namespace {

constexpr std::size_t kWarningsShown = 20;

std::vector<std::string> contract_paths(const ProjectOptions& options,
                                        const pipeline::Locations& locations) {
  if (!options.paths.empty()) return options.paths;
  std::error_code ignored;
  return {std::filesystem::is_directory("contracts", ignored) ? "contracts" : locations.contracts};
}

void append(Diagnostics& to, const Diagnostics& from) {
  to.insert(to.end(), from.begin(), from.end());
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

void note(Project& project, const Diagnostics& diagnostics, ExitCode code) {
  append(project.diagnostics, diagnostics);
  if (!project.bad && pipeline::has_errors(diagnostics)) project.bad = code;
}

}  // namespace

void add_project_options(CLI::App& app, ProjectOptions& options) {
  app.add_option("path", options.paths, "Contracts, or folders of them (default: contracts)")
      ->type_name("PATH");
  app.add_option("--worker", options.workers,
                 "A worker of your own: falsifiers or a subject server (repeatable)")
      ->type_name("PATH");
  app.add_option("--worker-dir", options.worker_folder,
                 "Folder of the falsify_* executables (default: beside refute)")
      ->type_name("DIR");
}

std::unique_ptr<Project> open_project(const ProjectOptions& options) {
  auto project = std::make_unique<Project>();
  project->locations = pipeline::locations_from(pipeline::executable_folder());
  if (!options.worker_folder.empty()) project->locations.workers = options.worker_folder;
  auto loaded = pipeline::load_contracts(contract_paths(options, project->locations));
  project->contracts = std::move(loaded.contracts);
  note(*project, loaded.diagnostics, ExitCode::findings);
  project->registry = pipeline::find_workers({project->locations.workers, options.workers,
                                              project->locations.canary_worker,
                                              pipeline::worker_environment(::environ)});
  note(*project, project->registry.diagnostics,
       registry_code(options, project->registry.diagnostics));
  project->bindings = pipeline::bind_claims(project->contracts, project->registry);
  note(*project, project->bindings.diagnostics, ExitCode::findings);
  return project;
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
