#pragma once

// The calibrated rule (C3, C1 and C9 of harness/metrics) with every number taken from the contract.

#include <optional>
#include <span>
#include <string>

#include "fixtures/mutants/attention_mutants.hpp"
#include "harness/metrics/acceptance_rules.hpp"
#include "harness/worker/context.hpp"

namespace refute::falsifiers {

/// The contract's lambda, exp_ulps, row_* and sign_*.
using CalibratedRule = metrics::ContractParameters;
CalibratedRule calibrated_rule_of(worker::Context& context);
/// With sums that may be off as the contract's `growth` says: matrix units truncate.
CalibratedRule truncating_rule_of(worker::Context& context);
/// Whether it is such a rule.
bool truncates_sums(const CalibratedRule& rule);

/// What a kernel's output on these inputs is judged by, from the f64 oracle.
metrics::Criterion criterion_of(const CalibratedRule& rule, const mutants::KernelShape& shape,
                                const mutants::KernelInputs& inputs, bool rounds_probabilities);

/// Why the output is refused, or nothing. Every element goes through the comparator.
std::optional<std::string> refusal(worker::Comparator& compare, const CalibratedRule& rule,
                                   const metrics::Criterion& criterion, std::span<const float> got);

}  // namespace refute::falsifiers
