#include "harness/pipeline/judge/tally.hpp"

#include <map>

#include <fmt/format.h>

#include "harness/pipeline/judge/judge.hpp"

namespace refute::pipeline {

Tally tally(const std::vector<Contract>& contracts, const std::vector<Evidence>& evidence) {
  std::map<ClaimId, const Claim*> claims;
  for (const Contract& contract : contracts) {
    for (const Claim& claim : contract.claims) claims[claim.id] = &claim;
  }
  Tally result;
  for (const Evidence& e : evidence) {
    const auto claim = claims.find(e.claim);
    if (claim == claims.end()) continue;
    if (std::holds_alternative<Declined>(e.outcome.verdict)) {
      ++result.skipped;
    } else if (as_expected(*claim->second, e)) {
      ++result.passed;
    } else {
      ++result.failed;
    }
  }
  return result;
}

std::string to_line(const Tally& t) {
  return fmt::format("{} passed, {} failed, {} skipped", t.passed, t.failed, t.skipped);
}

}  // namespace refute::pipeline
