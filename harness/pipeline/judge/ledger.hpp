#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/evidence.hpp"
#include "harness/model/level.hpp"
#include "harness/pipeline/judge/today.hpp"

namespace refute::pipeline {

/// What stands between a claim and its next level.
enum class BlockerKind { fixture_absent, device_absent, upstream_missing, spec_open };
constexpr std::array<std::string_view, 4> kBlockerNames = {
    "BLOCKER-FIXTURE-ABSENT", "BLOCKER-DEVICE-ABSENT", "BLOCKER-UPSTREAM-MISSING",
    "BLOCKER-SPEC-OPEN"};
constexpr std::string_view to_string(BlockerKind b) {
  return kBlockerNames[static_cast<int>(b)];
}

struct Blocker {
  BlockerKind kind{};
  std::string why;  ///< what is missing, by name
  auto operator<=>(const Blocker&) const = default;
};

/// Why a claim stays at OPEN although something survived.
enum class CapKind {
  crashed,           ///< the subject crashed: a finding
  timed_out,         ///< no verdict
  broken,            ///< no verdict
  nondeterministic,  ///< the same seed gave two results: a finding
  mutant_lives,      ///< vacuous: `who` is the mutant
  negated_survives,  ///< vacuous: `who` is the subject
  control_refuted,   ///< vacuous: the check refutes its positive control too
  power_unproven,    ///< a mutant, or the control, has not been run: `who` is its name
};
constexpr std::array<std::string_view, 8> kCapNames = {
    "crashed",      "timed_out",        "broken",          "nondeterministic",
    "mutant_lives", "negated_survives", "control_refuted", "power_unproven"};
constexpr std::string_view to_string(CapKind c) {
  return kCapNames[static_cast<int>(c)];
}
/// A check that could not fail, as opposed to one not yet shown to.
constexpr bool is_vacuous(CapKind c) {
  return c == CapKind::mutant_lives || c == CapKind::negated_survives ||
         c == CapKind::control_refuted;
}

struct Cap {
  CapKind kind{};
  std::string who;
  auto operator<=>(const Cap&) const = default;
};

/// A record that counts for nothing because what it rests on changed.
struct Stale {
  SubjectName subject;
  Arm arm = Arm::subject;
  MutantName mutant;
  Digest record;
  std::vector<Difference> changed;
  bool operator==(const Stale&) const = default;
};

struct SubjectLedger {
  SubjectName subject;
  Level level = Level::open;
  bool claimed = true;          ///< false: not among the claim's subjects, so it decides nothing
  std::vector<Digest> records;  ///< fresh ones of the expected outcome, sorted
  bool operator==(const SubjectLedger&) const = default;
};

struct ClaimLedger {
  ContractId contract;
  ClaimId claim;
  Level level = Level::unbound;
  std::vector<SubjectLedger> subjects;  ///< the claim's in its order, then others by name
  std::vector<Digest>
      records;  ///< all that the level rests on, arms included, sorted; refutations too
  std::vector<Digest> refuting;  ///< fresh records of the outcome that the claim does not expect
  std::vector<Blocker> blockers;
  std::vector<Cap> caps;
  std::vector<Stale> stale;
  std::vector<std::string> unknown;  ///< what could not be compared on this machine, in words
  std::string next;                  ///< what the next level takes, one sentence; empty at the top
  int mutants_named = 0, mutants_killed = 0;

  bool vacuous() const;
  bool operator==(const ClaimLedger&) const = default;
};

/// Always computed, never written by hand. Sorted by contract and claim.
struct Ledger {
  std::vector<ClaimLedger> claims;

  const ClaimLedger* find(const ClaimId& claim) const;
  bool operator==(const Ledger&) const = default;
};

}  // namespace refute::pipeline
