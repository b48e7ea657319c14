#pragma once

#include <optional>
#include <string>

#include "harness/instruments/power.hpp"
#include "harness/worker/context.hpp"

namespace refute::falsifiers {

/// Compares what is run for an op with the contract's wrong_<op>, correct_<op>, shapes_<op> and
/// excluded_<op>, names and order, both ways: nothing is left out or added in silence. A refutation
/// if they differ.
std::optional<Verdict> check_lists(worker::Context& context, const std::string& op,
                                   const instruments::PowerList& run);

/// `refute power` itself, run: the same lists and parameters as the contract's, and its verdict.
Verdict power_command(worker::Context& context);

}  // namespace refute::falsifiers
