#pragma once

// The loop that every claim about attention's numbers shares: cases from the contract, the first
// that fails shrunk, explained and made a counterexample; or a replay's alone.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "falsifiers/crux_l_02/attention_case.hpp"
#include "falsifiers/subjects/attention_subject.hpp"
#include "harness/worker/context.hpp"

namespace refute::falsifiers {

struct CaseFailure {
  std::string message;
  AttentionVariant variant;  ///< which of the subject's kernels it was
};
using AttentionCheck =
    std::function<std::optional<CaseFailure>(const AttentionCase&, const mutants::KernelInputs&)>;

/// The cases that a check can be asked about: the contract's have to be of them, and a failing case
/// is not shrunk out of them.
struct CaseSpace {
  std::function<bool(const AttentionCase&)> allows = [](const AttentionCase&) { return true; };
  std::string words;  ///< of the error about a case that is not of them
};

/// The contract's shapes x families x seeds, in its order, in each of its dtypes. Seeds follow from
/// the job's.
std::vector<AttentionCase> cases_of(worker::Context& context);

/// The contract's kernels and probabilities, as far as the subject has them.
std::vector<AttentionVariant> variants_of(worker::Context& context,
                                          const AttentionSubject& subject);

std::string words_of(const AttentionVariant& variant);

/// Runs `check` on all cases. The subject is what an explanation of a failure runs again. A case
/// that the subject does not serve is left out, and any such case makes declined of survived: what
/// is refuted elsewhere stays refuted.
Verdict check_cases(worker::Context& context, const std::vector<AttentionCase>& cases,
                    AttentionSubject& subject, const AttentionCheck& check,
                    const CaseSpace& space = {});

/// Runs the subject and counts it as a case. Trouble besides the numbers is a failure by itself.
struct RunResult {
  std::vector<float> out;
  std::optional<CaseFailure> failure;
};
RunResult run_subject(worker::Context& context, AttentionSubject& subject, const AttentionCase& c,
                      const mutants::KernelInputs& inputs, const AttentionVariant& variant);

/// The comparator's mismatch, with `what` in front.
CaseFailure failure_of(const worker::Comparator& compare, const std::string& what,
                       const AttentionVariant& variant);

/// Runs `check` for every case and variant: what claims that compare runs with each other share.
using VariantCheck = std::function<std::optional<CaseFailure>(
    const AttentionCase&, const mutants::KernelInputs&, const AttentionVariant&)>;
Verdict check_variants(worker::Context& context, AttentionSubject& subject,
                       const VariantCheck& check, const CaseSpace& space = {});

/// The first failure of all; without one, what a variant was not served for is thrown on.
std::optional<CaseFailure> each_variant(
    const std::vector<AttentionVariant>& variants,
    const std::function<std::optional<CaseFailure>(const AttentionVariant&)>& check);

/// Two runs that have to agree in every bit, NaNs aside, which only have to be NaNs.
std::optional<CaseFailure> differ(worker::Context& context, std::vector<float> got,
                                  std::vector<float> want, const std::string& what,
                                  const AttentionVariant& variant);

/// Three significant digits: what two machines agree in, whatever their exp rounds in the last bit.
double rounded3(double x);

}  // namespace refute::falsifiers
