#include "harness/cli/committed_levels.hpp"

#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/ledger_json.hpp"

namespace refute::cli {
namespace {

/// The project's folder: the one that holds `contracts`, where `path` is that folder or below it,
/// or is the project itself. Empty for contracts that lie elsewhere.
std::filesystem::path project_of(const std::string& path) {
  std::error_code error;
  const std::filesystem::path full = std::filesystem::weakly_canonical(path, error);
  if (error) return {};
  if (std::filesystem::is_directory(full / "contracts", error)) return full;
  for (auto folder = full; folder != folder.parent_path(); folder = folder.parent_path()) {
    if (folder.filename() == "contracts") return folder.parent_path();
  }
  return {};
}

/// The committed ledger of the project that `path` belongs to, if there is one.
std::optional<std::string> ledger_beside(const std::string& path) {
  const std::filesystem::path project = project_of(path);
  if (project.empty()) return std::nullopt;
  const std::filesystem::path ledger = project / "reports" / "ledger.json";
  std::error_code error;
  if (!std::filesystem::exists(ledger, error)) return std::nullopt;
  return ledger.string();
}

}  // namespace

Result<std::optional<pipeline::ComputedLevels>> committed_levels(
    const std::vector<std::string>& paths) {
  std::set<std::string> ledgers;
  for (const std::string& path : paths) {
    if (auto ledger = ledger_beside(path)) ledgers.insert(*std::move(ledger));
  }
  if (ledgers.empty()) return std::optional<pipeline::ComputedLevels>();
  pipeline::ComputedLevels levels;
  for (const std::string& path : ledgers) {
    const auto text = pipeline::read_text(path);
    if (!text) return text.error();
    const auto committed = pipeline::parse_ledger(*text);
    if (!committed)
      return Error{fmt::format("{}: {}", path, committed.error().what),
                   "`refute verify` says more"};
    for (const pipeline::ClaimLedger& claim : committed->ledger.claims)
      levels[claim.claim] = claim.level;
  }
  return std::optional(std::move(levels));
}

}  // namespace refute::cli
