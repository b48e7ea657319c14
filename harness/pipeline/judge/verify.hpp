#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/ids.hpp"
#include "harness/pipeline/judge/evidence.hpp"

namespace refute::pipeline {

enum class Damage { changed, missing, extra, truncated, malformed, misplaced, unreadable };
constexpr std::array<std::string_view, 7> kDamageNames = {
    "changed", "missing", "extra", "truncated", "malformed", "misplaced", "unreadable"};
constexpr std::string_view to_string(Damage d) {
  return kDamageNames[static_cast<int>(d)];
}

struct VerifyFinding {
  Damage damage{};
  std::string path;  ///< under reports/
  std::string what;  ///< one sentence
  bool operator==(const VerifyFinding&) const = default;
};

/// The chain from ledger.json over the manifest to every byte of every file, and each record on its
/// own: canonical, in its place, attested by whom it says. Empty: it verifies.
std::vector<VerifyFinding> verify(const EvidenceFiles& files, const std::string& ledger_text);
/// The same over a folder ("reports").
std::vector<VerifyFinding> verify_folder(const std::string& reports);

}  // namespace refute::pipeline
