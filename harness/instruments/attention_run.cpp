#include "harness/instruments/attention_run.hpp"

#include <algorithm>

#include "fixtures/oracles/attention_oracle.hpp"
#include "harness/metrics/acceptance_bound.hpp"

namespace refute::instruments {
namespace {

using kernels::AttentionCall;
using kernels::AttentionStatus;
using metrics::Format;

template <class T>
std::vector<T> encoded(std::span<const float> x) {
  std::vector<T> out;
  out.reserve(x.size());
  for (const float value : x) out.push_back(kernels::from_float<T>(value));
  return out;
}

template <class T>
using Body = AttentionStatus (*)(const AttentionCall&, std::span<const T>, std::span<const T>,
                                 std::span<const T>, std::span<T>);

template <class T>
constexpr Body<T> kBodies[2][2] = {
    {kernels::cpu_scalar::attention_naive, kernels::cpu_simd::attention_naive},
    {kernels::cpu_scalar::attention_flash2, kernels::cpu_simd::attention_flash2},
};

template <class T>
AttentionStatus run_as(AttentionKernel kernel, CpuSubject subject, const AttentionCall& call,
                       const AttentionTensors& in, std::vector<float>& out) {
  const Body<T> body =
      kBodies<T>[static_cast<std::size_t>(kernel)][static_cast<std::size_t>(subject)];
  std::vector<T> stored(in.q.size());
  const AttentionStatus status =
      body(call, encoded<T>(in.q), encoded<T>(in.k), encoded<T>(in.v), stored);
  if (status != AttentionStatus::ok) return status;
  out.resize(stored.size());
  std::ranges::transform(stored, out.begin(), [](T x) { return kernels::to_float(x); });
  return status;
}

/// A key head after the other, with the query heads that share it: they stand side by side.
void solve_by_head(const AttentionCall& call, const metrics::DeclaredPrecision& precision,
                   const AttentionTensors& in, std::span<double> out, oracles::ErrorScales scales,
                   const HeadProgress& progress) {
  const kernels::AttentionShape& s = call.shape;
  const metrics::WeightDeviation w = metrics::weight_deviation(precision, s.head_dim);
  const bool causal = call.mask == kernels::AttentionMask::causal;
  const std::size_t group = s.heads_q / s.heads_kv, count = s.batch * s.heads_kv;
  const oracles::AttentionProblem head{1,          group,  1,          s.seq_q,     s.seq_kv,
                                       s.head_dim, causal, call.scale, call.threads};
  const std::size_t queries = group * s.seq_q * s.head_dim, keys = s.seq_kv * s.head_dim;
  for (std::size_t i = 0; i < count; ++i) {
    if (progress) progress(i, count);
    oracles::attention(
        head, in.q.subspan(i * queries, queries), in.k.subspan(i * keys, keys),
        in.v.subspan(i * keys, keys), out.subspan(i * queries, queries),
        {w.products, w.score, w.shift, w.constant, w.absolute},
        {scales.terms.subspan(i * queries, queries), scales.spread.subspan(i * queries, queries)});
  }
}

}  // namespace

float stored_as(Format storage, float x) {
  switch (storage) {
    case Format::f32:
      return x;
    case Format::f16:
      return kernels::round_to<kernels::F16>(x);
    case Format::bf16:
      return kernels::round_to<kernels::Bf16>(x);
  }
  return x;
}

AttentionStatus run_attention(AttentionKernel kernel, CpuSubject subject, Format storage,
                              const AttentionCall& call, const AttentionTensors& in,
                              std::vector<float>& out) {
  switch (storage) {
    case Format::f32:
      return run_as<float>(kernel, subject, call, in, out);
    case Format::f16:
      return run_as<kernels::F16>(kernel, subject, call, in, out);
    case Format::bf16:
      return run_as<kernels::Bf16>(kernel, subject, call, in, out);
  }
  return AttentionStatus::size_mismatch;
}

metrics::CriterionData attention_reference(const AttentionCall& call, Format storage,
                                           const AttentionTensors& in,
                                           const metrics::BoundParameters& parameters,
                                           const HeadProgress& progress) {
  const kernels::AttentionShape& s = call.shape;
  metrics::DeclaredPrecision precision;
  precision.exp_ulps = parameters.exp_ulps;
  precision.growth = parameters.growth;
  precision.output = storage;
  if (call.probabilities == kernels::AttentionProbabilities::round_to_storage) {
    precision.probabilities = storage;
  }
  metrics::CriterionData y;
  y.format = storage;
  y.rows = s.batch * s.heads_q * s.seq_q;
  y.cols = s.head_dim;
  y.reference.resize(y.rows * y.cols);
  y.bound.resize(y.rows * y.cols);
  std::vector<double> terms(y.reference.size()), spread(y.reference.size());
  solve_by_head(call, precision, in, y.reference, {terms, spread}, progress);
  metrics::attention_bound(precision, parameters.lambda, s.seq_kv, y.reference, terms, spread,
                           y.bound);
  return y;
}

}  // namespace refute::instruments
