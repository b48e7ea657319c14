#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/pipeline/execute/bind.hpp"
#include "harness/pipeline/execute/fixtures_index.hpp"
#include "harness/pipeline/execute/locations.hpp"
#include "harness/pipeline/judge/today.hpp"
#include "harness/pipeline/load/load_contracts.hpp"

namespace CLI {
class App;
}

namespace refute::cli {

/// What the commands that need both contracts and workers are told.
struct ProjectOptions {
  std::vector<std::string>
      paths;  ///< contracts or folders of them; none: ./contracts, else those beside refute
  std::string worker_folder;         ///< empty: `falsifiers` beside refute
  std::vector<std::string> workers;  ///< further ones, named with --worker
  bool lint = true;                  ///< false for commands that merely read
};

void add_project_options(CLI::App& app, ProjectOptions& options);

/// Contracts, workers, and which belongs to which. Its parts point at each other, so it stays where
/// it was made.
struct Project {
  pipeline::Locations locations;
  std::vector<std::string> paths;  ///< where contracts were looked for
  pipeline::LoadResult loaded;     ///< without its contracts, which are next
  std::vector<Contract> contracts;
  pipeline::Registry registry;
  pipeline::Bindings bindings;
  /// Set when nothing may be run: the exit code that the first bad stage calls for.
  std::optional<ExitCode> bad;

  Project() = default;
  Project(const Project&) = delete;
  Project& operator=(const Project&) = delete;
};

/// load → lint → registry → bind. All stages run as far as they can, so that one report shows
/// everything.
std::unique_ptr<Project> open_project(const ProjectOptions& options);

/// Prints to stderr what is wrong with contracts, workers and bindings. Errors in full; of the
/// linter's warnings only how many there are, because `validate` shows them.
void print_findings(const Project& project);
/// What of that stops a run: the errors, in the order of the stages.
Diagnostics errors_of(const Project& project);
/// Findings that belong to no contract's text.
void print_findings(const Diagnostics& diagnostics);

/// What evidence must rest on to count today, as far as this machine can tell.
pipeline::Today today_of(const Project& project, const pipeline::Fixtures& fixtures,
                         const std::string& architecture);

}  // namespace refute::cli
