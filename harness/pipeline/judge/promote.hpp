#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/pipeline/judge/evidence.hpp"
#include "harness/pipeline/judge/ledger.hpp"

namespace refute::pipeline {

/// What promote would write, and how it differs from what is there.
struct Promotion {
  EvidenceFiles files;
  std::string ledger_text;
  Ledger ledger;
  int added = 0;     ///< records that were not committed before
  int attested = 0;  ///< committed records that one more machine reproduced
  int dropped = 0;   ///< committed records that went stale, or whose claim is gone
  int records = 0;   ///< that would be committed, old and new
  int left_out = 0;  ///< of the run: declined, timed out, broken, stale
};

/// Pure. From the run go the fresh records with a verdict: as expected or not (a refutation is
/// never hidden), crashed and nondeterministic. Stale committed records go; fresh ones stay, also
/// those that only another machine can make.
Result<Promotion> plan_promotion(const std::vector<Contract>& contracts, const Today& today,
                                 const std::vector<Evidence>& committed,
                                 const std::vector<Evidence>& run);

/// Puts evidence and ledger in place of the old ones. Killed at any point it leaves the old state,
/// the new one, or one that verify refuses and the next call repairs.
[[nodiscard]] std::optional<Error> write_promotion(const std::string& reports,
                                                   const Promotion& promotion);
/// Brings back the old state after a promote that was killed half-way. Nothing to do: no error.
[[nodiscard]] std::optional<Error> recover(const std::string& reports);

/// What is committed under `reports`.
struct Committed {
  std::vector<Evidence> evidence;
  std::string ledger_text;  ///< empty when there is none
};
Result<Committed> load_committed(const std::string& reports);

}  // namespace refute::pipeline
