// The softmax that the vector kernels share, on its own.

#include <algorithm>

#include <fmt/format.h>

#include "falsifiers/crux_l_02/calibrated.hpp"
#include "falsifiers/crux_l_02/checks.hpp"
#include "fixtures/oracles/attention_oracle.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/expand.hpp"
#include "kernels/attention.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using mutants::KernelOp;
using mutants::KernelShape;
using worker::Context;

std::vector<float> vector_softmax(const KernelShape& s, const KernelInputs& in) {
  std::vector<float> x = in.a;
  kernels::cpu_simd::softmax_rows(x, s.m, s.n, 1.0f);
  return x;
}

mutants::RunKernel kernel_of(const Context& context) {
  const Job& job = context.job();
  if (job.arm == Arm::mutant) {
    const auto all = mutants::softmax_mutants();
    const auto at = std::ranges::find(all, job.mutant.text, &mutants::KernelMutant::name);
    if (at != all.end()) return at->run;
    throw worker::JobError("there is no softmax called `" + job.mutant.text + "`");
  }
  if (job.subject.text == "cpu_simd") return vector_softmax;
  throw worker::JobError("there is no softmax called `" + job.subject.text + "`");
}

/// Rows of whole and half numbers and of finer ones, spread over ±4·amplitude.
KernelInputs scores(const KernelShape& s, std::uint64_t seed) {
  KernelInputs in;
  in.a.resize(s.m * s.n);
  for (std::size_t i = 0; i < in.a.size(); ++i) {
    const std::uint32_t word = worker::word_at(seed, 0, static_cast<std::uint32_t>(i));
    in.a[i] = (static_cast<float>(word >> 12) * 0x1p-17f - 4.0f) * s.amplitude;
  }
  return in;
}

metrics::Criterion criterion_of_rows(const CalibratedRule& rule, const KernelShape& s,
                                     const KernelInputs& in) {
  metrics::DeclaredPrecision precision;
  precision.exp_ulps = rule.bound.exp_ulps;
  const metrics::WeightDeviation w = metrics::weight_deviation(precision, 1);
  metrics::CriterionData y;
  y.rows = s.m;
  y.cols = s.n;
  y.reference.resize(s.m * s.n);
  y.bound.resize(s.m * s.n);
  std::vector<double> spread(s.m * s.n);
  // The scores are the input: no product, and no rounding of theirs.
  oracles::softmax(s.m, s.n, in.a, y.reference, {0, 0, w.shift, w.constant, w.absolute},
                   {{}, spread});
  metrics::softmax_bound(precision, rule.bound.lambda, s.n, y.reference, spread, y.bound);
  y.baseline = mutants::plain_kernel(s, in);
  y.plain = y.baseline;
  return metrics::Criterion(std::move(y));
}

struct SoftmaxCase {
  std::uint64_t cols, amplitude, seed;
};

std::vector<SoftmaxCase> cases_of_rows(Context& context) {
  if (const Value* replay = context.replay()) {
    const auto at = [&](const char* name) {
      const Value* v = replay->find(name);
      const auto n = v ? worker::unsigned_from(*v) : std::nullopt;
      if (!n) throw worker::JobError(fmt::format("the counterexample has no `{}`", name));
      return *n;
    };
    return {{std::clamp<std::uint64_t>(at("cols"), 1, 1u << 20), at("amplitude"), at("seed")}};
  }
  std::vector<SoftmaxCase> all;
  for (const std::uint64_t amplitude : context.counts("amplitudes")) {
    for (const std::uint64_t cols : context.counts("cols")) {
      for (std::uint64_t i = 0; i < context.count("seeds"); ++i) {
        all.push_back({cols, amplitude, worker::derive_seed(context.seed(), i)});
      }
    }
  }
  return all;
}

}  // namespace

Verdict softmax_parity(Context& context) {
  context.agreement(Agreement::tolerance);
  const CalibratedRule rule = calibrated_rule_of(context);
  const mutants::RunKernel run = kernel_of(context);
  const std::uint64_t rows = context.count("rows");
  for (const SoftmaxCase& c : cases_of_rows(context)) {
    KernelShape s;
    s.op = KernelOp::softmax;
    s.storage = mutants::Storage::f32;
    s.m = rows;
    s.n = c.cols;
    s.amplitude = static_cast<float>(c.amplitude);
    const KernelInputs in = scores(s, c.seed);
    const std::vector<float> got = run(s, in);
    context.add_cases(1);
    const auto criterion = criterion_of_rows(rule, s, in);
    const auto why = refusal(context.compare(), rule, criterion, got);
    if (!why) continue;
    Value v;
    v.set("cols", c.cols);
    v.set("amplitude", c.amplitude);
    v.set("seed", fmt::format("{}", c.seed));
    return worker::refuted(fmt::format("rows of {}, amplitude {}: {}", c.cols, c.amplitude, *why),
                           std::move(v));
  }
  return worker::survived();
}

}  // namespace refute::falsifiers
