// The calibrated claims: a kernel's output against the f64 oracle.

#include <algorithm>
#include <array>

#include "falsifiers/crux_l_02/calibrated.hpp"
#include "falsifiers/crux_l_02/checks.hpp"
#include "falsifiers/crux_l_02/run_cases.hpp"

namespace refute::falsifiers {

using worker::Context;

namespace {

Verdict parity_by(Context& context, const CalibratedRule& rule) {
  context.agreement(Agreement::tolerance);
  const auto subject = attention_subject_of(context);
  auto variants = variants_of(context, *subject);
  for (AttentionVariant& v : variants) {
    v.truncates_sums = truncates_sums(rule);
  }
  const auto cases = cases_of(context);
  double worst = 0;
  const auto check = [&](const AttentionCase& c,
                         const mutants::KernelInputs& in) -> std::optional<CaseFailure> {
    std::array<std::optional<metrics::Criterion>, 2> criteria;  // [with P rounded]
    return each_variant(
        variants, [&](const AttentionVariant& variant) -> std::optional<CaseFailure> {
          auto& criterion = criteria[variant.rounds_probabilities ? 1 : 0];
          const RunResult result = run_subject(context, *subject, c, in, variant);
          if (result.failure) return result.failure;
          if (!criterion) {
            criterion = criterion_of(rule, c.shape, in, variant.rounds_probabilities);
          }
          if (auto why = refusal(context.compare(), rule, *criterion, result.out)) {
            return CaseFailure{std::move(*why), variant};
          }
          const metrics::Comparison comparison(*criterion, result.out);
          worst = std::max(worst, metrics::contract_rule(comparison, rule).ratio);
          return std::nullopt;
        });
  };
  Verdict verdict = check_cases(context, cases, *subject, check);
  if (std::holds_alternative<Survived>(verdict))
    context.measure("error_over_limit", rounded3(worst));
  return verdict;
}

}  // namespace

Verdict attention_parity(Context& context) {
  return parity_by(context, calibrated_rule_of(context));
}

Verdict attention_parity_truncating(Context& context) {
  return parity_by(context, truncating_rule_of(context));
}

}  // namespace refute::falsifiers
