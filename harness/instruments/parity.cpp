#include "harness/instruments/parity.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "harness/instruments/flash2_source_build.hpp"
#include "harness/instruments/normal_inputs.hpp"
#include "harness/instruments/parity_tiles.hpp"

namespace refute::instruments {
namespace {

using metrics::Acceptance;

double longest_row(std::span<const float> x, std::size_t width) {
  double most = 0;
  for (std::size_t at = 0; at < x.size(); at += width) {
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i) sum += static_cast<double>(x[at + i]) * x[at + i];
    most = std::max(most, std::sqrt(sum));
  }
  return most;
}

/// Whether a score, or the product that it is scaled from, may be beyond f32: |⟨q, k⟩| <= ‖q‖·‖k‖.
/// The derived bound speaks of rounding only.
bool scores_may_overflow(const ParityPlan& plan, const ParityInputs& in) {
  const std::size_t d = plan.call.shape.head_dim;
  const double product = longest_row(in.q, d) * longest_row(in.k, d);
  const double factor = std::max(1.0, std::abs(static_cast<double>(plan.call.scale)));
  return !(product * factor <= std::numeric_limits<float>::max());
}

bool all_finite(const ParityInputs& in) {
  return metrics::census(in.q).all_finite() && metrics::census(in.k).all_finite() &&
         metrics::census(in.v).all_finite();
}

/// Whether zeros would be accepted where the exact result is not zero: among subnormal values what
/// a kernel may lose is as large as they are.
bool takes_zeros(const metrics::Criterion& criterion) {
  const auto low = criterion.low(), high = criterion.high();
  for (std::size_t i = 0; i < low.size(); ++i) {
    if (!(low[i] <= 0 && high[i] >= 0)) return false;
  }
  return std::ranges::any_of(criterion.data().reference, [](double x) { return x != 0; });
}

/// Why nothing can be told from the exact result; empty when it can.
std::string declined(const ParityPlan& plan, const ParityInputs& in,
                     const metrics::Criterion& criterion) {
  if (!all_finite(in)) return "an input is not finite, so there is no exact result";
  if (scores_may_overflow(plan, in)) {
    return "a score may overflow f32, which the derived bound does not cover";
  }
  if (!criterion.usable()) return "the exact result or its bound is not finite";
  return takes_zeros(criterion) ? "the derived bound has no power here: it would take zeros" : "";
}

ParityPlace place_of(const kernels::AttentionShape& s, std::size_t index) {
  const std::size_t row = index / s.head_dim;
  return {row / s.seq_q / s.heads_q, row / s.seq_q % s.heads_q, row % s.seq_q, index % s.head_dim};
}

WorstRow worst_row(const ParityPlan& plan, const ParityInputs& in,
                   const metrics::Comparison& comparison, const metrics::Judgement& c3) {
  const kernels::AttentionShape& s = plan.call.shape;
  WorstRow worst;
  worst.place = place_of(s, c3.index);
  worst.ratio = c3.ratio;
  worst.got = comparison.got()[c3.index];
  worst.exact = comparison.criterion().data().reference[c3.index];
  const std::size_t at = c3.index / s.head_dim * s.head_dim;
  std::vector<double> error(s.head_dim);
  for (std::size_t i = 0; i < s.head_dim; ++i) {
    error[i] = comparison.got()[at + i] - comparison.criterion().data().reference[at + i];
  }
  if (const auto tile = explaining_tile(plan.call, in, c3.index / s.head_dim, error)) {
    worst.key_tile = tile->tile;
    worst.key_tile_share = tile->share;
  }
  return worst;
}

Calibrated calibrate(const ParityPlan& plan, const ParityInputs& in,
                     const metrics::Criterion& criterion, std::span<const float> got,
                     const metrics::ContractParameters& parameters) {
  Calibrated c;
  c.declined = declined(plan, in, criterion);
  if (!c.declined.empty()) return c;
  const metrics::Comparison comparison(criterion, got);
  c.verdict = metrics::contract_rule(comparison, parameters);
  c.c3 = metrics::rounded_componentwise(comparison);
  c.c1 = metrics::rowwise(comparison, parameters.row);
  c.c9 = metrics::sign_bias(comparison, parameters.sign);
  c.worst_row = worst_row(plan, in, comparison, c.c3);
  return c;
}

std::optional<std::size_t> first_non_finite(std::span<const float> x) {
  const auto at = std::ranges::find_if(x, [](float v) { return !std::isfinite(v); });
  if (at == x.end()) return std::nullopt;
  return static_cast<std::size_t>(at - x.begin());
}

ExpectedOutput judge_expected(const ParityPlan& plan, const metrics::Criterion& criterion,
                              const Calibrated& calibrated, std::span<const float> kernel,
                              std::span<const float> expected,
                              const metrics::ContractParameters& parameters) {
  ExpectedOutput e;
  e.difference = metrics::measure(kernel, expected);
  e.first_non_finite = first_non_finite(expected);
  if (!calibrated.declined.empty()) return e;
  e.verdict = metrics::contract_rule(metrics::Comparison(criterion, expected), parameters);
  const auto place = deciding_place(plan.call.shape, e.verdict);
  if (!place || e.verdict.part != std::string_view("C3")) return e;
  e.got = expected[e.verdict.index];
  e.exact = criterion.data().reference[e.verdict.index];
  return e;
}

Regime regime_of(const ParityPlan& plan, const metrics::Criterion& criterion) {
  Regime r;
  r.key_tiles = (plan.call.shape.seq_kv + kParityTile - 1) / kParityTile;
  r.reference_rms = criterion.usable() ? criterion.rms() : std::nan("");
  r.correct_spread = criterion.usable() ? 0 : std::nan("");
  for (std::size_t i = 0; i < criterion.low().size(); ++i) {
    r.correct_spread = std::max(r.correct_spread, criterion.high()[i] - criterion.low()[i]);
  }
  return r;
}

std::vector<float> run(AttentionKernel kernel, CpuSubject subject, const ParityPlan& plan,
                       const ParityInputs& in) {
  std::vector<float> out;
  const auto status =
      run_attention(kernel, subject, plan.storage, plan.call, {in.q, in.k, in.v}, out);
  assert(status == kernels::AttentionStatus::ok);  // plan_parity looked
  static_cast<void>(status);
  return out;
}

ParityInputs without_tensors(const ParityInputs& in) {
  return {in.shape, in.storage, {}, {}, {}, std::nullopt, in.seed, in.fixture, in.fixture_digest};
}

}  // namespace

std::string_view flash2_source() {
  return kFlash2Source;
}

ParityInputs generated_inputs(const kernels::AttentionShape& s, metrics::Format storage,
                              std::uint64_t seed) {
  NormalSource source(seed);
  ParityInputs in;
  in.shape = s;
  in.storage = storage;
  in.seed = seed;
  in.q = source.draw(storage, s.batch * s.heads_q * s.seq_q * s.head_dim);
  in.k = source.draw(storage, s.batch * s.heads_kv * s.seq_kv * s.head_dim);
  in.v = source.draw(storage, s.batch * s.heads_kv * s.seq_kv * s.head_dim);
  return in;
}

ParityOutputs run_parity(const ParityPlan& plan, const ParityInputs& in,
                         const ParityProgress& progress) {
  const auto timed = [&](AttentionKernel kernel, CpuSubject subject) {
    if (progress) {
      progress(std::string(to_string(kernel)) + " on " + std::string(to_string(subject)), {});
    }
    return run(kernel, subject, plan, in);
  };
  ParityOutputs out;
  out.kernel = timed(plan.kernel, plan.subject);
  out.reference = timed(plan.request.reference, CpuSubject::cpu_scalar);
  return out;
}

std::optional<ParityPlace> deciding_place(const kernels::AttentionShape& s,
                                          const metrics::Judgement& j) {
  const std::string_view part = j.part;
  if (part == "C3") return place_of(s, j.index);
  if (part == "C1") return place_of(s, j.index * s.head_dim);
  return std::nullopt;
}

ParityReport judge_parity(const ParityPlan& plan, const ParityInputs& in, const ParityOutputs& out,
                          const metrics::ContractParameters& parameters,
                          const ParityProgress& progress) {
  ParityReport report;
  report.plan = plan;
  report.inputs = without_tensors(in);
  report.difference = metrics::measure(out.kernel, out.reference);
  const auto heads = [&](std::size_t done, std::size_t total) {
    if (!progress) return;
    progress("exact result in f64", static_cast<double>(done) / static_cast<double>(total));
  };
  metrics::CriterionData yard =
      attention_reference(plan.call, plan.storage, {in.q, in.k, in.v}, parameters.bound, heads);
  yard.baseline = plan.request.reference == AttentionKernel::naive
                      ? out.reference
                      : run(AttentionKernel::naive, CpuSubject::cpu_scalar, plan, in);
  yard.plain = yard.baseline;
  const metrics::Criterion criterion(std::move(yard));
  report.calibrated = calibrate(plan, in, criterion, out.kernel, parameters);
  if (in.expected) {
    report.expected =
        judge_expected(plan, criterion, report.calibrated, out.kernel, *in.expected, parameters);
  }
  report.regime = regime_of(plan, criterion);
  return report;
}

}  // namespace refute::instruments
