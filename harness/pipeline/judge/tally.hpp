#pragma once

#include <string>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/evidence.hpp"

namespace refute::pipeline {

/// What `run` ends on. Every job has an expectation: a mutant's is to be refuted. Records of claims
/// that no contract holds (the canary's) are not counted.
struct Tally {
  int passed = 0;   ///< came out as expected
  int failed = 0;   ///< came out otherwise, or not at all
  int skipped = 0;  ///< declined
  bool operator==(const Tally&) const = default;
};

Tally tally(const std::vector<Contract>& contracts, const std::vector<Evidence>& evidence);
/// "12 passed, 0 failed, 3 skipped"
std::string to_line(const Tally& tally);

}  // namespace refute::pipeline
