#include "harness/pipeline/execute/registry.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/digest/sha256.hpp"
#include "harness/pipeline/execute/children.hpp"
#include "harness/pipeline/execute/ending.hpp"

namespace refute::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr Limits kListLimits = {.time_s = 10, .memory_mib = 2048};

Diagnostic finding(std::string code, const std::string& path, std::string message,
                   std::string help) {
  Diagnostic d;
  d.code = std::move(code);
  d.file = path;
  d.message = std::move(message);
  d.help = std::move(help);
  return d;
}

// A build leaves more than workers in the folder: falsify_x.p and falsify_x_build.hpp. What is
// executable or has no suffix is meant to be one.
bool looks_like_worker(const fs::directory_entry& entry) {
  std::error_code ignored;
  if (!entry.path().filename().string().starts_with("falsify_") || entry.is_directory(ignored)) {
    return false;
  }
  const bool executable = ::access(entry.path().c_str(), X_OK) == 0;
  return executable || !entry.path().has_extension();
}

std::vector<std::string> files_in(const std::string& folder, Diagnostics& diagnostics) {
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (looks_like_worker(*it)) paths.push_back(it->path().string());
  }
  const std::string help = "build the workers, or name their folder with --worker-dir";
  if (error) {
    diagnostics.push_back(finding(
        "RF0807", folder, fmt::format("cannot read the worker folder: {}", error.message()), help));
  } else if (paths.empty()) {
    diagnostics.push_back(
        finding("RF0807", folder, "there is no falsify_* executable in the worker folder", help));
  }
  return paths;
}

std::vector<std::string> all_paths(const WorkerSearch& search, Diagnostics& diagnostics) {
  std::vector<std::string> paths;
  if (!search.folder.empty()) paths = files_in(search.folder, diagnostics);
  paths.insert(paths.end(), search.named.begin(), search.named.end());
  const bool has_canary = std::ranges::any_of(paths, [&](const std::string& path) {
    return fs::path(path).filename() == fs::path(search.canary).filename();
  });
  if (!search.canary.empty() && !has_canary) paths.push_back(search.canary);
  std::ranges::sort(paths);
  const auto repeated = std::ranges::unique(paths);
  paths.erase(repeated.begin(), repeated.end());
  return paths;
}

std::vector<ChildResult> list_all(const std::vector<std::string>& paths,
                                  const std::vector<std::string>& environment) {
  Children children;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    children.start(i, {paths[i], {"--list"}, "", environment, kListLimits, 1u << 20});
  }
  std::vector<ChildResult> results(paths.size());
  while (children.running() > 0) {
    for (FinishedChild& child : children.wait()) results[child.tag] = std::move(child.result);
  }
  return results;
}

/// What the worker said of its failure, on one line; nothing if it said nothing.
std::string printed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) return "";
  std::string line = "; it printed: ";
  for (const char c : text) line += c == '\n' ? std::string(" | ") : std::string(1, c);
  return line;
}

Result<WorkerInfo> read_worker(const std::string& path, const ChildResult& result) {
  auto info = parse_listing(result.out.text());
  if (!info) return info;
  auto digest = sha256_of_file(path);
  if (!digest) return digest.take_error();
  info->path = path;
  info->file = *digest;
  return info;
}

/// The finding names its file itself.
std::string without_path(const std::string& text, const std::string& path) {
  return text.starts_with(path + ": ") ? text.substr(path.size() + 2) : text;
}

void add(Registry& registry, const std::string& path, const ChildResult& result) {
  if (const auto* not_started = std::get_if<NotStarted>(&result.end)) {
    registry.diagnostics.push_back(finding(
        "RF0801", path, without_path(not_started->error.what, path), not_started->error.hint));
    return;
  }
  if (!(result.end.index() == 0 && std::get<Exited>(result.end) == Exited{0})) {
    registry.diagnostics.push_back(finding(
        "RF0802", path, fmt::format("`{} --list` {}", path, describe_end(result.end, kListLimits)),
        "a worker prints one JSON object and exits 0; harness/PROTOCOL.md describes it" +
            printed(result.err.text())));
    return;
  }
  auto info = read_worker(path, result);
  if (info) return registry.workers.push_back(std::move(*info));
  const Error& error = info.error();
  registry.diagnostics.push_back(
      finding("RF0803", path, fmt::format("`{} --list` is no worker's list: {}", path, error.what),
              error.hint.empty() ? "harness/PROTOCOL.md describes the JSON object it must print"
                                 : error.hint));
}

void check_falsifiers_differ(Registry& registry) {
  for (auto it = registry.workers.begin(); it != registry.workers.end(); ++it) {
    const auto same = std::find_if(registry.workers.begin(), it, [&](const WorkerInfo& other) {
      return it->kind == WorkerKind::falsifier && other.kind == it->kind &&
             other.contract == it->contract;
    });
    if (same == it) continue;
    registry.diagnostics.push_back(
        finding("RF0804", it->path,
                fmt::format("contract {} already has the worker {}", it->contract.text, same->path),
                "leave one of them out, or give it another contract"));
  }
}

bool offers(const WorkerInfo& falsifier, const SubjectName& subject) {
  return std::ranges::any_of(falsifier.rows, [&](const Row& row) {
    return std::ranges::find(row.subjects, subject) != row.subjects.end();
  });
}

void check_subjects_differ(Registry& registry) {
  for (auto it = registry.workers.begin(); it != registry.workers.end(); ++it) {
    if (it->kind != WorkerKind::subject) continue;
    const auto clash = std::find_if(registry.workers.begin(), registry.workers.end(),
                                    [&](const WorkerInfo& other) {
                                      if (&other == &*it || other.contract != it->contract)
                                        return false;
                                      if (other.kind == WorkerKind::falsifier)
                                        return offers(other, it->subject);
                                      return other.subject == it->subject && &other < &*it;
                                    });
    if (clash == registry.workers.end()) continue;
    registry.diagnostics.push_back(
        finding("RF0805", it->path,
                fmt::format("subject {} of contract {} is already served by {}", it->subject.text,
                            it->contract.text, clash->path),
                "rename the subject in the server's --list"));
  }
}

}  // namespace

const WorkerInfo* Registry::falsifier_of(const ContractId& contract) const {
  const auto at = std::ranges::find_if(workers, [&](const WorkerInfo& worker) {
    return worker.kind == WorkerKind::falsifier && worker.contract == contract;
  });
  return at == workers.end() ? nullptr : &*at;
}

Registry find_workers(const WorkerSearch& search) {
  Registry registry;
  const std::vector<std::string> paths = all_paths(search, registry.diagnostics);
  const std::vector<ChildResult> results = list_all(paths, search.environment);
  for (std::size_t i = 0; i < paths.size(); ++i) add(registry, paths[i], results[i]);
  for (WorkerInfo& worker : registry.workers) {
    worker.named = std::ranges::find(search.named, worker.path) != search.named.end();
  }
  check_falsifiers_differ(registry);
  check_subjects_differ(registry);
  return registry;
}

}  // namespace refute::pipeline
