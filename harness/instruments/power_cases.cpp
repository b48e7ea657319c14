#include "harness/instruments/power_cases.hpp"

#include <cassert>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "fixtures/oracles/attention_oracle.hpp"
#include "harness/instruments/attention_run.hpp"
#include "harness/instruments/normal_inputs.hpp"
#include "kernels/attention.hpp"

namespace refute::instruments {
namespace {

using metrics::Format;
using mutants::KernelInputs;
using mutants::KernelOp;
using mutants::KernelShape;
using mutants::Storage;

constexpr KernelShape attention(Storage storage, std::size_t batch, std::size_t heads_q,
                                std::size_t heads_kv, std::size_t seq_q, std::size_t seq_kv,
                                std::size_t head_dim, bool causal, float amplitude = 1) {
  KernelShape s;
  s.amplitude = amplitude;
  s.storage = storage;
  s.batch = batch;
  s.heads_q = heads_q;
  s.heads_kv = heads_kv;
  s.seq_q = seq_q;
  s.seq_kv = seq_kv;
  s.head_dim = head_dim;
  s.causal = causal;
  return s;
}

constexpr KernelShape matrix(KernelOp op, Storage storage, std::size_t m, std::size_t n,
                             std::size_t k = 1, float amplitude = 1) {
  KernelShape s;
  s.amplitude = amplitude;
  s.op = op;
  s.storage = storage;
  s.m = m;
  s.n = n;
  s.k = k;
  return s;
}

using enum Storage;

// The last two have scores so far apart that a maximum left out overflows.
constexpr KernelShape kAttention[] = {
    attention(bf16, 2, 4, 2, 1, 1, 64, false),
    attention(bf16, 1, 2, 1, 63, 63, 64, true),
    attention(bf16, 1, 2, 2, 64, 64, 64, false),
    attention(bf16, 1, 4, 2, 65, 65, 64, true),
    attention(bf16, 1, 2, 1, 65, 65, 128, false),
    attention(bf16, 1, 2, 2, 127, 127, 64, false),
    attention(bf16, 1, 1, 1, 128, 128, 64, true),
    attention(bf16, 2, 1, 1, 129, 129, 64, true),
    attention(bf16, 1, 2, 2, 33, 129, 64, true),
    attention(bf16, 1, 2, 2, 80, 64, 64, true),
    attention(bf16, 1, 4, 2, 1, 4000, 64, true),
    attention(f16, 1, 4, 2, 65, 65, 64, true),
    attention(f16, 1, 4, 2, 1, 4000, 128, false),
    attention(f32, 1, 4, 2, 65, 65, 64, true),
    attention(f32, 1, 1, 1, 129, 129, 64, false),
    attention(f32, 1, 4, 2, 1, 4000, 64, true),
    attention(bf16, 1, 2, 1, 150, 96, 64, false, 10),
    attention(f32, 1, 2, 1, 150, 96, 64, false, 10),
};

// Long rows come sixteen at a time: whether one element of a long row counts shows only where that
// element is not small. The last two have rows in which an exponential overflows.
constexpr KernelShape kSoftmax[] = {
    matrix(KernelOp::softmax, bf16, 64, 1),          matrix(KernelOp::softmax, bf16, 32, 63),
    matrix(KernelOp::softmax, bf16, 32, 64),         matrix(KernelOp::softmax, bf16, 32, 65),
    matrix(KernelOp::softmax, bf16, 16, 127),        matrix(KernelOp::softmax, bf16, 16, 128),
    matrix(KernelOp::softmax, bf16, 16, 129),        matrix(KernelOp::softmax, bf16, 16, 2000),
    matrix(KernelOp::softmax, f16, 16, 129),         matrix(KernelOp::softmax, f16, 16, 1000),
    matrix(KernelOp::softmax, f32, 16, 129),         matrix(KernelOp::softmax, f32, 16, 2000),
    matrix(KernelOp::softmax, bf16, 2048, 3, 1, 16), matrix(KernelOp::softmax, f32, 2048, 3, 1, 16),
};

constexpr KernelShape kGemm[] = {
    matrix(KernelOp::gemm, bf16, 64, 64, 1),    matrix(KernelOp::gemm, bf16, 63, 65, 129),
    matrix(KernelOp::gemm, bf16, 64, 64, 64),   matrix(KernelOp::gemm, bf16, 1, 128, 1000),
    matrix(KernelOp::gemm, bf16, 17, 33, 65),   matrix(KernelOp::gemm, bf16, 32, 32, 512),
    matrix(KernelOp::gemm, bf16, 65, 127, 127), matrix(KernelOp::gemm, f16, 63, 65, 129),
    matrix(KernelOp::gemm, f16, 8, 32, 2000),   matrix(KernelOp::gemm, f32, 63, 65, 129),
    matrix(KernelOp::gemm, f32, 16, 64, 1000),
};

constexpr Format format_of(Storage s) {
  return static_cast<Format>(s);
}
static_assert(format_of(f32) == Format::f32 && format_of(f16) == Format::f16 &&
              format_of(bf16) == Format::bf16);

kernels::AttentionCall call_of(const KernelShape& s, bool rounds) {
  kernels::AttentionCall call;
  call.shape = {s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim};
  call.mask = s.causal ? kernels::AttentionMask::causal : kernels::AttentionMask::full;
  call.scale = s.scale();
  call.probabilities = rounds ? kernels::AttentionProbabilities::round_to_storage
                              : kernels::AttentionProbabilities::keep_f32;
  return call;
}

/// Format, size, reference and bound of a matrix op, the vectors still to be filled.
metrics::CriterionData matrix_criterion(const KernelShape& s) {
  metrics::CriterionData y;
  y.rows = s.rows();
  y.cols = s.cols();
  y.format = format_of(s.storage);
  y.reference.resize(y.rows * y.cols);
  y.bound.resize(y.rows * y.cols);
  return y;
}

metrics::CriterionData exact_softmax(const KernelShape& s, const KernelInputs& in,
                                     const metrics::BoundParameters& parameters) {
  metrics::CriterionData y = matrix_criterion(s);
  metrics::DeclaredPrecision precision;
  precision.output = y.format;
  precision.exp_ulps = parameters.exp_ulps;
  const metrics::WeightDeviation w = metrics::weight_deviation(precision, 1);
  std::vector<double> spread(y.reference.size());
  // The scores are the input: no product and no rounding of theirs.
  oracles::softmax(s.m, s.n, in.a, y.reference, {0, 0, w.shift, w.constant, w.absolute},
                   {{}, spread});
  metrics::softmax_bound(precision, parameters.lambda, s.n, y.reference, spread, y.bound);
  return y;
}

metrics::CriterionData exact_gemm(const KernelShape& s, const KernelInputs& in,
                                  const metrics::BoundParameters& parameters) {
  metrics::CriterionData y = matrix_criterion(s);
  metrics::DeclaredPrecision precision;
  precision.output = y.format;
  std::vector<double> terms(y.reference.size());
  oracles::matrix_product(s.m, s.n, s.k, in.a, in.b, y.reference, {terms, {}});
  metrics::product_bound(precision, parameters.lambda, s.k, y.reference, terms, y.bound);
  return y;
}

metrics::CriterionData exact(const KernelShape& s, const KernelInputs& in, bool rounds,
                             const metrics::BoundParameters& parameters) {
  switch (s.op) {
    case KernelOp::attention:
      return attention_reference(call_of(s, rounds), format_of(s.storage), {in.a, in.b, in.c},
                                 parameters);
    case KernelOp::softmax:
      return exact_softmax(s, in, parameters);
    case KernelOp::gemm:
      return exact_gemm(s, in, parameters);
  }
  return {};
}

constexpr SubjectKernel kSubjects[] = {
    {"cpu_scalar naive", AttentionKernel::naive, CpuSubject::cpu_scalar, false},
    {"cpu_scalar flash2", AttentionKernel::flash2, CpuSubject::cpu_scalar, false},
    {"cpu_simd naive", AttentionKernel::naive, CpuSubject::cpu_simd, false},
    {"cpu_simd flash2", AttentionKernel::flash2, CpuSubject::cpu_simd, false},
    {"cpu_scalar flash2, P rounded", AttentionKernel::flash2, CpuSubject::cpu_scalar, true},
    {"cpu_simd naive, P rounded", AttentionKernel::naive, CpuSubject::cpu_simd, true},
    {"cpu_simd flash2, P rounded", AttentionKernel::flash2, CpuSubject::cpu_simd, true},
};

}  // namespace

std::span<const KernelShape> power_shapes(KernelOp op) {
  switch (op) {
    case KernelOp::attention:
      return kAttention;
    case KernelOp::softmax:
      return kSoftmax;
    case KernelOp::gemm:
      return kGemm;
  }
  return {};
}

std::string shape_name(const KernelShape& s) {
  const auto format = metrics::to_string(format_of(s.storage));
  const std::string wide = s.amplitude == 1 ? "" : fmt::format(" x{}", s.amplitude);
  switch (s.op) {
    case KernelOp::attention:
      return fmt::format("{} B{} H{}/{} S{}x{} D{}{}{}", format, s.batch, s.heads_q, s.heads_kv,
                         s.seq_q, s.seq_kv, s.head_dim, s.causal ? " causal" : "", wide);
    case KernelOp::softmax:
      return fmt::format("{} {}x{}{}", format, s.m, s.n, wide);
    case KernelOp::gemm:
      return fmt::format("{} {}x{}x{}", format, s.m, s.n, s.k);
  }
  return "";
}

KernelInputs power_inputs(const KernelShape& s, std::uint64_t seed) {
  NormalSource source(seed);
  const Format format = format_of(s.storage);
  KernelInputs in;
  switch (s.op) {
    case KernelOp::attention: {
      const std::size_t keys = s.batch * s.heads_kv * s.seq_kv * s.head_dim;
      in.a = source.draw(format, s.rows() * s.head_dim, s.amplitude);
      in.b = source.draw(format, keys, s.amplitude);
      in.c = source.draw(format, keys);
      break;
    }
    case KernelOp::softmax:
      in.a = source.draw(format, s.m * s.n, 2 * s.amplitude);
      break;
    case KernelOp::gemm:
      in.a = source.draw(format, s.m * s.k);
      in.b = source.draw(format, s.n * s.k);
      break;
  }
  return in;
}

std::vector<float> run_subject(const SubjectKernel& subject, const KernelShape& s,
                               const KernelInputs& in) {
  std::vector<float> out;
  const auto status =
      run_attention(subject.kernel, subject.subject, format_of(s.storage),
                    call_of(s, subject.rounds_probabilities), {in.a, in.b, in.c}, out);
  assert(status == kernels::AttentionStatus::ok);
  static_cast<void>(status);
  return out;
}

metrics::Criterion criterion(const KernelShape& s, const KernelInputs& in,
                             bool rounds_probabilities,
                             const metrics::BoundParameters& parameters) {
  metrics::CriterionData y = exact(s, in, rounds_probabilities, parameters);
  y.baseline = rounds_probabilities
                   ? run_subject({"", AttentionKernel::naive, CpuSubject::cpu_scalar, true}, s, in)
                   : mutants::plain_kernel(s, in);
  y.plain = mutants::eager_kernel(s, in);
  return metrics::Criterion(std::move(y));
}

std::span<const SubjectKernel> attention_subjects() {
  return kSubjects;
}

}  // namespace refute::instruments
