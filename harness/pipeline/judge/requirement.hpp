#pragma once

#include <array>
#include <string>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/evidence.hpp"

namespace refute::pipeline {

/// The levels that evidence can reach, rising.
constexpr std::array<Level, 3> kEarnedLevels = {Level::partial_algorithm_level, Level::functional,
                                                Level::discharged};

/// The subjects on which a level's requirement has to be met: its own, or else the claim's.
const std::vector<SubjectName>& subjects_of(const Claim& claim, const Requirement& requirement);

/// Every subject that the claim speaks of: its list, and those that only a requirement names.
std::vector<SubjectName> claimed_subjects(const Claim& claim);

/// What is wrong with a requirement that nothing could rightly meet: FUNCTIONAL that does not say
/// on what it is live, DISCHARGED without an independent oracle or a second machine, no subject at
/// all. Empty: nothing.
std::string defect(const Claim& claim, Level level, const Requirement& requirement);

/// What the record lacks to meet the requirement, in words; empty: it meets it. Freshness and
/// outcome are the caller's.
std::vector<std::string> lacks(const Requirement& requirement, const Evidence& evidence);

/// What a record takes to meet the requirement, in words: "a live cuda device, sm_90 or higher".
std::vector<std::string> conditions(const Requirement& requirement);

}  // namespace refute::pipeline
