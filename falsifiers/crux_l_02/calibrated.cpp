#include "falsifiers/crux_l_02/calibrated.hpp"

#include <fmt/format.h>

#include "fixtures/oracles/attention_oracle.hpp"
#include "harness/metrics/acceptance_bound.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using metrics::Acceptance;
using metrics::Format;
using metrics::Judgement;

Format format_of(mutants::Storage s) {
  switch (s) {
    case mutants::Storage::f32:
      return Format::f32;
    case mutants::Storage::f16:
      return Format::f16;
    case mutants::Storage::bf16:
      return Format::bf16;
  }
  return Format::f32;
}

/// C3's interval as a middle and a half width, for the comparator. Both ends are numbers of the
/// output's type, far coarser than f64; the factor covers the rounding of the middle.
struct Interval {
  std::vector<double> middle, half;
};

Interval interval_of(const metrics::Criterion& c) {
  const std::size_t n = c.low().size();
  Interval i{std::vector<double>(n), std::vector<double>(n)};
  for (std::size_t e = 0; e < n; ++e) {
    i.middle[e] = (c.low()[e] + c.high()[e]) / 2;
    i.half[e] = (c.high()[e] - c.low()[e]) / 2 * (1 + 0x1p-40);
  }
  return i;
}

/// A zero without its sign: neither rule tells the two apart.
std::string number(double x) {
  return fmt::format("{:.9g}", x + 0.0);
}

/// The first element that is not right, and what would be: a number or, where the bound lets
/// several be, from which to which. Their distance from the exact result would be no bound that a
/// reader could check, as the output's own rounding is in it.
std::string c3_words(const worker::Comparator& compare, const metrics::Criterion& c,
                     std::span<const float> got) {
  const worker::Mismatch& m = *compare.mismatch();
  if (!m.index || *m.index >= got.size()) return "C3, " + m.sentence();
  const auto i = static_cast<std::size_t>(*m.index);
  const auto low = static_cast<float>(c.low()[i]), high = static_cast<float>(c.high()[i]);
  const std::string right = low == high ? number(low) : number(low) + " to " + number(high);
  const std::string exact = number(c.data().reference[i]);
  return fmt::format("C3, element {}: got {} ({:.9g}), right is {}{}", i, worker::exact(got[i]),
                     got[i], right,
                     right == exact ? "" : fmt::format("; without rounding it is {}", exact));
}

metrics::Growth growth_of(worker::Context& context) {
  const std::string word = context.word("growth");
  if (word == "random_walk") return metrics::Growth::random_walk;
  if (word == "worst_case") return metrics::Growth::worst_case;
  throw worker::JobError("`growth` is random_walk or worst_case, not `" + word + "`");
}

}  // namespace

CalibratedRule calibrated_rule_of(worker::Context& context) {
  CalibratedRule rule;
  rule.bound.lambda = context.real("lambda");
  rule.bound.exp_ulps = context.real("exp_ulps");
  metrics::RowParameters& row = rule.row;
  row.rms_factor = context.real("row_rms_factor");
  row.max_factor = context.real("row_max_factor");
  row.floor_factor = context.real("row_floor_factor");
  row.share = context.real("row_share");
  metrics::SignParameters& sign = rule.sign;
  sign.deviations = context.real("sign_deviations");
  sign.drift = context.real("sign_drift");
  sign.ruled = context.real("sign_ruled");
  sign.least = context.count("sign_least");
  return rule;
}

CalibratedRule truncating_rule_of(worker::Context& context) {
  CalibratedRule rule = calibrated_rule_of(context);
  rule.bound.growth = growth_of(context);
  return rule;
}

bool truncates_sums(const CalibratedRule& rule) {
  return rule.bound.growth == metrics::Growth::worst_case;
}

metrics::Criterion criterion_of(const CalibratedRule& rule, const mutants::KernelShape& s,
                                const mutants::KernelInputs& in, bool rounds_probabilities) {
  metrics::DeclaredPrecision precision;
  precision.output = format_of(s.storage);
  precision.exp_ulps = rule.bound.exp_ulps;
  precision.growth = rule.bound.growth;
  if (rounds_probabilities) precision.probabilities = precision.output;
  const metrics::WeightDeviation w = metrics::weight_deviation(precision, s.head_dim);
  metrics::CriterionData y;
  y.format = precision.output;
  y.rows = s.rows();
  y.cols = s.cols();
  y.reference.resize(y.rows * y.cols);
  y.bound.resize(y.reference.size());
  std::vector<double> terms(y.reference.size()), spread(y.reference.size());
  oracles::attention(
      {s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim, s.causal, s.scale()}, in.a,
      in.b, in.c, y.reference, {w.products, w.score, w.shift, w.constant, w.absolute},
      {terms, spread});
  metrics::attention_bound(precision, rule.bound.lambda, s.seq_kv, y.reference, terms, spread,
                           y.bound);
  y.baseline = mutants::plain_kernel(s, in);
  y.plain = y.baseline;  // only published rules look at it
  metrics::Criterion criterion(std::move(y));
  if (!criterion.usable()) throw worker::JobError("the oracle's result is not finite on this case");
  return criterion;
}

std::optional<std::string> refusal(worker::Comparator& compare, const CalibratedRule& rule,
                                   const metrics::Criterion& criterion,
                                   std::span<const float> got) {
  const Interval allowed = interval_of(criterion);
  if (!compare.within(got, allowed.middle, allowed.half)) return c3_words(compare, criterion, got);
  const metrics::Comparison comparison(criterion, got);
  const Judgement row = metrics::rowwise(comparison, rule.row);
  if (!compare.at_most(row.ratio, 1, "worst row's error over its limit")) {
    return fmt::format("C1, row {}: {}", row.index, compare.mismatch()->detail);
  }
  const Judgement sign = metrics::sign_bias(comparison, rule.sign);
  if (sign.powerless) return std::nullopt;
  if (!compare.at_most(sign.ratio, 1, "sign bias over its limit")) {
    return "C9, " + compare.mismatch()->detail;
  }
  return std::nullopt;
}

}  // namespace refute::falsifiers
