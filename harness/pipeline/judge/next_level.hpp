#pragma once

#include <string>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/evidence.hpp"
#include "harness/pipeline/judge/ledger.hpp"
#include "harness/pipeline/judge/power.hpp"
#include "harness/pipeline/judge/today.hpp"

namespace refute::pipeline {

/// Fills in `next` and `blockers` of a bound claim whose level, caps and subjects are settled: what
/// the next level takes, and which of it cannot be had here.
void explain_next(const Claim& claim, const Today& today, const Binding& binding,
                  const std::vector<const Evidence*>& fresh, const Power& power,
                  ClaimLedger& result);

/// "input minilm-l6-v2 is not here to compare"
std::string unknown_words(const Difference& difference);

}  // namespace refute::pipeline
