#pragma once

#include <set>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/evidence.hpp"
#include "harness/pipeline/judge/ledger.hpp"

namespace refute::pipeline {

/// Whether a claim's check could have failed.
struct Power {
  std::vector<Cap> caps;         ///< what keeps the whole claim at OPEN
  std::set<SubjectName> proven;  ///< subjects on which the negated check was refuted
  int mutants_killed = 0;

  /// Whether the subject's records may count. A claim that is expected to be refuted answers for
  /// its power with a control instead, for all subjects together.
  bool proven_for(const Claim& claim, const SubjectName& subject) const {
    return claim.expect == Expect::refuted || proven.contains(subject);
  }
};

Power power_of(const Claim& claim, const std::vector<const Evidence*>& fresh);

}  // namespace refute::pipeline
