#pragma once

#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/evidence.hpp"
#include "harness/pipeline/judge/ledger.hpp"
#include "harness/pipeline/judge/today.hpp"

namespace refute::pipeline {

/// The levels of all claims. A pure function of a set: the order of the evidence and how often a
/// record is repeated do not matter, more evidence of the expected outcome never lowers a level,
/// one fresh refutation demotes at once. Evidence about claims that no contract holds is ignored.
///
/// A level is reached when the requirement of every level up to it is met, on each of its subjects,
/// by a fresh record of the expected outcome. A subject's record counts only once its negated check
/// was refuted. Subjects that the claim does not name (somebody's own, put under our contract) are
/// judged beside it and decide nothing.
Ledger judge(const std::vector<Contract>& contracts, const Today& today,
             const std::vector<Evidence>& evidence);

/// Where the outcome is what the claim and the arm expect: `expect` for subjects, refuted (or
/// crashed) for mutants, refuted for the negated check, survived for a control. A survival of zero
/// cases or comparisons is none.
bool as_expected(const Claim& claim, const Evidence& evidence);

}  // namespace refute::pipeline
