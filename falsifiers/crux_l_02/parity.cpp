// The calibrated claims: a kernel's output against the f64 oracle.

#include <algorithm>

#include "falsifiers/crux_l_02/calibrated.hpp"
#include "falsifiers/crux_l_02/checks.hpp"
#include "falsifiers/crux_l_02/run_cases.hpp"

namespace refute::falsifiers {

using worker::Context;

Verdict attention_parity(Context& context) {
  context.agreement(Agreement::tolerance);
  const CalibratedRule rule = calibrated_rule_of(context);
  const auto subject = attention_subject_of(context);
  const auto variants = variants_of(context, *subject);
  const auto cases = cases_of(context);
  double worst = 0;
  const auto check = [&](const AttentionCase& c,
                         const mutants::KernelInputs& in) -> std::optional<CaseFailure> {
    for (const bool rounds : {false, true}) {
      std::optional<metrics::Criterion> criterion;
      for (const AttentionVariant& variant : variants) {
        if (variant.rounds_probabilities != rounds) continue;
        if (!criterion) criterion = criterion_of(rule, c.shape, in, rounds);
        const RunResult result = run_subject(context, *subject, c, in, variant);
        if (result.failure) return result.failure;
        if (auto why = refusal(context.compare(), rule, *criterion, result.out)) {
          return CaseFailure{std::move(*why), variant};
        }
        const metrics::Comparison comparison(*criterion, result.out);
        worst = std::max(worst, metrics::contract_rule(comparison, rule).ratio);
      }
    }
    return std::nullopt;
  };
  Verdict verdict = check_cases(context, cases, *subject, check);
  if (std::holds_alternative<Survived>(verdict))
    context.measure("error_over_limit", rounded3(worst));
  return verdict;
}

}  // namespace refute::falsifiers
