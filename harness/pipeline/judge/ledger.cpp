#include "harness/pipeline/judge/ledger.hpp"

#include <algorithm>

namespace refute::pipeline {

bool ClaimLedger::vacuous() const {
  return std::ranges::any_of(caps, [](const Cap& cap) { return is_vacuous(cap.kind); });
}

const ClaimLedger* Ledger::find(const ClaimId& claim) const {
  const auto found = std::ranges::find(claims, claim, &ClaimLedger::claim);
  return found == claims.end() ? nullptr : &*found;
}

}  // namespace refute::pipeline
