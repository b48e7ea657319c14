#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/pipeline/load/codes.hpp"

namespace refute::pipeline {

/// What `explain` says about a code beyond its title.
struct Explanation {
  std::string_view why;    ///< what goes wrong if it stays
  std::string_view wrong;  ///< a stretch of a contract
  std::string_view right;  ///< the same, corrected
};

/// `row` must be one of kCodes.
const Explanation& explanation_of(const CodeRow& row);

/// The page about a code.
std::string explain_code(const CodeRow& row);

/// The page about a claim: its statement, its numbers with their origins, what would refute and
/// discharge it.
std::string explain_claim(const Contract& contract, const Claim& claim);

}  // namespace refute::pipeline
