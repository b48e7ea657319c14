#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/pipeline/judge/report.hpp"

namespace refute::pipeline {

/// What became of a claim since a baseline. In the order in which a reviewer should hear of it.
enum class ChangeKind { refuted, vacuous, lowered, gone, stale, added, raised, no_longer_vacuous };

struct Change {
  ChangeKind kind{};
  ClaimId claim;
  std::optional<Level> before, after;
  std::string words;  ///< "DISCHARGED → REFUTED"
  bool operator==(const Change&) const = default;
};

/// Pure; empty when nothing changed. `stale`: the claim stands at its old level only because the
/// baseline does, while some of its evidence no longer counts.
std::vector<Change> changes_since(const Baseline& baseline, const Ledger& ledger);

/// Worse than before, as opposed to new or better.
bool is_worse(ChangeKind kind);

}  // namespace refute::pipeline
