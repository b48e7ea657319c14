// Rules that others publish or use, with their numbers, and the table of all rules.

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "harness/metrics/acceptance_rules.hpp"

namespace refute::metrics {
namespace {

double rms(double sum, const Comparison& c) {
  return std::sqrt(sum / static_cast<double>(c.got().size()));
}

double cosine_of(const Comparison::Totals& t) {
  return t.dot / std::sqrt(t.got2 * t.reference2);
}

void keep_max(double& max, double x) {
  if (!(x <= max)) max = std::isnan(x) ? std::numeric_limits<double>::infinity() : x;
}

/// Accepted when value <= limit; NaN is not.
Judgement at_most(double value, double limit, bool powerless = false) {
  return {value <= limit ? Acceptance::accepted : Acceptance::refused, powerless, "", 0,
          value / limit};
}

bool without_power(const Comparison& c, double atol) {
  return atol > 0.1 * c.criterion().rms();
}

}  // namespace

Judgement cosine(const Comparison& c, double least) {
  return at_most(1 - cosine_of(c.totals()), 1 - least);
}

Judgement absolute_and_cosine(const Comparison& c, double most, double least_cosine) {
  const Judgement size = at_most(c.totals().max_error, most, without_power(c, most));
  if (size.acceptance != Acceptance::accepted) return size;
  return at_most(1 - cosine_of(c.totals()), 1 - least_cosine, size.powerless);
}

Judgement allclose(const Comparison& c, double atol, double rtol) {
  double worst = 0;
  for (std::size_t i = 0; i < c.got().size(); ++i) {
    const double ref = c.criterion().rounded()[i];
    keep_max(worst, std::abs(c.got()[i] - ref) / (atol + rtol * std::abs(ref)));
  }
  return at_most(worst, 1, without_power(c, atol));
}

Judgement nmse(const Comparison& c, double most) {
  return at_most(c.totals().error2 / c.totals().reference2, most);
}

Judgement similarity_difference(const Comparison& c, double most) {
  const Comparison::Totals& t = c.totals();
  return at_most(1 - 2 * t.dot / (t.got2 + t.reference2), most);
}

Judgement times_baseline(const Comparison& c, double factor) {
  return at_most(c.totals().max_error, factor * c.criterion().plain_max_error());
}

Judgement rms_times_baseline(const Comparison& c, double factor, double slack) {
  return at_most(rms(c.totals().error2, c), factor * c.criterion().plain_rms_error() + slack);
}

Judgement matched_ratio(const Comparison& c, double atol, double rtol, double share) {
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < c.got().size(); ++i) {
    const double ref = c.criterion().data().reference[i];
    wrong += !(std::abs(c.got()[i] - ref) <= atol + rtol * std::abs(ref));
  }
  return at_most(static_cast<double>(wrong), (1 - share) * static_cast<double>(c.got().size()),
                 without_power(c, atol));
}

Judgement rms_normalised(const Comparison& c, double most) {
  return at_most(c.totals().max_error, most * c.criterion().rms());
}

Judgement absolute_and_relative(const Comparison& c, double atol, double rtol) {
  double worst = 0;
  for (std::size_t i = 0; i < c.got().size(); ++i) {
    const double ref = c.criterion().data().reference[i];
    const double error = std::abs(c.got()[i] - ref);
    // As it is found, `error > atol && error > rtol * |ref|` lets a NaN pass; measured here it gets
    // the benefit of a check.
    if (std::isnan(error)) return at_most(error, atol);
    if (error > atol && error > rtol * std::abs(ref)) keep_max(worst, error / atol);
  }
  return at_most(worst, 1, without_power(c, atol));
}

namespace {

Judgement assert_close(const Comparison& c, const ContractParts&) {
  switch (c.criterion().data().format) {
    case Format::f32:
      return allclose(c, 1e-5, 1.3e-6);
    case Format::f16:
      return allclose(c, 1e-5, 1e-3);
    case Format::bf16:
      return allclose(c, 1e-5, 1.6e-2);
  }
  return {};
}

constexpr AcceptanceRule kRules[] = {
    {"cosine", "cosine >= 0.99",
     "parity checks of ported models; torch._dynamo same(cosine_similarity)",
     [](const Comparison& c, const ContractParts&) { return cosine(c, 0.99); }},
    {"published_gate", "abs <= 5e-3 and cosine >= 0.9999",
     "the published gate of FALSIFY-CRUX-L-02-002",
     [](const Comparison& c, const ContractParts&) {
       return absolute_and_cosine(c, 5e-3, 0.9999);
     }},
    {"allclose", "allclose, defaults of the format", "torch.testing.assert_close", assert_close},
    {"nmse", "NMSE <= 5e-4", "ggml test-backend-ops",
     [](const Comparison& c, const ContractParts&) { return nmse(c, 5e-4); }},
    {"similarity", "similarity difference <= 1e-3", "DeepGEMM calc_diff",
     [](const Comparison& c, const ContractParts&) { return similarity_difference(c, 1e-3); }},
    {"twice_baseline", "max <= 2x baseline, whole tensor", "FlashAttention's own tests",
     [](const Comparison& c, const ContractParts&) { return times_baseline(c, 2); }},
    {"rms_of_baseline", "rms <= 3x baseline + 1e-4", "torch._dynamo same() with an f64 reference",
     [](const Comparison& c, const ContractParts&) { return rms_times_baseline(c, 3, 1e-4); }},
    {"matched_ratio", "95 % within 1e-2 + 1e-2|ref|",
     "matched-ratio checks of kernel benchmarks (flashinfer-bench)",
     [](const Comparison& c, const ContractParts&) { return matched_ratio(c, 1e-2, 1e-2, 0.95); }},
    {"rms_normalised", "max <= 2e-2 rms(ref)", "RMS-normalised checks of kernel repositories",
     [](const Comparison& c, const ContractParts&) { return rms_normalised(c, 2e-2); }},
    {"abs_and_rel", "abs > 1e-2 AND rel > 1e-2 is wrong",
     "mismatch counters of kernel repositories",
     [](const Comparison& c, const ContractParts&) {
       return absolute_and_relative(c, 1e-2, 1e-2);
     }},
    {"rows_alone", "C1: rows against a baseline", "calibrated, a part of the contract's rule",
     [](const Comparison&, const ContractParts& p) { return p.c1; }},
    {"signs_alone", "C9: signs of the errors", "calibrated, a part of the contract's rule",
     [](const Comparison&, const ContractParts& p) { return p.c9; }},
    {"bound_alone", "C3: derived, componentwise", "calibrated, a part of the contract's rule",
     [](const Comparison&, const ContractParts& p) { return p.c3; }},
    {"contract", "contract: C3 and C1 and C9", "contracts/crux-L-02-v1.yaml, the calibrated parity",
     [](const Comparison&, const ContractParts& p) { return combined(p); }},
};

}  // namespace

std::span<const AcceptanceRule> acceptance_rules() {
  return kRules;
}

namespace {

/// What can be said without a look at the output; nothing where a rule has to look.
std::optional<Judgement> unjudgeable(const Comparison& c) {
  if (!c.criterion().usable()) return Judgement{};
  if (!c.same_size()) return Judgement{Acceptance::refused, false, "size", 0, 0};
  return std::nullopt;
}

}  // namespace

Judgement judge(const AcceptanceRule& rule, const Comparison& c,
                const ContractParameters& contract) {
  if (const auto j = unjudgeable(c)) return *j;
  return rule.apply(c, contract_parts(c, contract));
}

std::vector<Judgement> judge_by_all(const Comparison& c, const ContractParameters& contract) {
  const auto same = unjudgeable(c);
  if (same) return std::vector<Judgement>(acceptance_rules().size(), *same);
  const ContractParts parts = contract_parts(c, contract);
  std::vector<Judgement> all;
  for (const AcceptanceRule& rule : acceptance_rules()) all.push_back(rule.apply(c, parts));
  return all;
}

}  // namespace refute::metrics
