#pragma once

// One-fault copies of the good contract: what is changed, and what has to be said about it.

#include <span>
#include <string>
#include <string_view>

#include "harness/model/diagnostic.hpp"

namespace refute::pipeline::testing {

struct Fault {
  std::string_view name;
  std::string_view from, to;  ///< the only occurrence of `from` is replaced
  std::string_view code;
  Severity severity = Severity::error;
  std::string_view at = {};  ///< the finding's line is the first one that contains this; by default
                             ///< the line of the change
};

std::span<const Fault> faults();

/// The good contract with the fault in it. Throws when `from` is not there exactly once.
std::string with_fault(std::string_view good, const Fault& fault);

}  // namespace refute::pipeline::testing
