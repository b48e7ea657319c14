#include "harness/instruments/power_cases.hpp"

#include <cassert>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "fixtures/oracles/attention_oracle.hpp"
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

/// splitmix64 (Steele, Lea and Flood, 2014).
struct Source {
  std::uint64_t state;

  std::uint64_t bits() {
    std::uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  float normal() {
    std::uint64_t sum = 0;
    for (int draw = 0; draw < 3; ++draw) {
      for (std::uint64_t b = bits(), i = 0; i < 4; ++i, b >>= 16) sum += b & 0xFFFFu;
    }
    return (static_cast<float>(sum) - 6 * 65535.0f) / 65536.0f;
  }
};

std::vector<float> normals(Source& source, Storage storage, std::size_t count, float deviation) {
  std::vector<float> x(count);
  for (float& value : x) value = mutants::stored(storage, source.normal() * deviation);
  return x;
}

void measure_attention(const KernelShape& s, const KernelInputs& in,
                       const metrics::DeclaredPrecision& precision, metrics::CriterionData& y) {
  const metrics::WeightDeviation w = metrics::weight_deviation(precision, s.head_dim);
  std::vector<double> terms(y.reference.size()), spread(y.reference.size());
  oracles::attention(
      {s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim, s.causal, s.scale()}, in.a,
      in.b, in.c, y.reference, {w.products, w.score, w.shift, w.constant, w.absolute},
      {terms, spread});
  metrics::attention_bound(precision, metrics::kSixDeviations, s.seq_kv, y.reference, terms, spread,
                           y.bound);
}

void measure_softmax(const KernelShape& s, const KernelInputs& in,
                     const metrics::DeclaredPrecision& precision, metrics::CriterionData& y) {
  const metrics::WeightDeviation w = metrics::weight_deviation(precision, 1);
  std::vector<double> spread(y.reference.size());
  // The scores are the input: no product and no rounding of theirs.
  oracles::softmax(s.m, s.n, in.a, y.reference, {0, 0, w.shift, w.constant, w.absolute},
                   {{}, spread});
  metrics::softmax_bound(precision, metrics::kSixDeviations, s.n, y.reference, spread, y.bound);
}

void measure_gemm(const KernelShape& s, const KernelInputs& in,
                  const metrics::DeclaredPrecision& precision, metrics::CriterionData& y) {
  std::vector<double> terms(y.reference.size());
  oracles::matrix_product(s.m, s.n, s.k, in.a, in.b, y.reference, {terms, {}});
  metrics::product_bound(precision, metrics::kSixDeviations, s.k, y.reference, terms, y.bound);
}

kernels::AttentionCall call_of(const KernelShape& s, bool rounds) {
  kernels::AttentionCall call;
  call.shape = {s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim};
  call.mask = s.causal ? kernels::AttentionMask::causal : kernels::AttentionMask::full;
  call.scale = s.scale();
  call.probabilities = rounds ? kernels::AttentionProbabilities::round_to_storage
                              : kernels::AttentionProbabilities::keep_f32;
  return call;
}

template <class T>
std::vector<T> encoded(const std::vector<float>& x) {
  std::vector<T> out;
  out.reserve(x.size());
  for (const float value : x) out.push_back(kernels::from_float<T>(value));
  return out;
}

template <class T>
using Body = kernels::AttentionStatus (*)(const kernels::AttentionCall&, std::span<const T>,
                                          std::span<const T>, std::span<const T>, std::span<T>);

template <class T>
std::vector<float> run_as(Body<T> body, const KernelShape& s, const KernelInputs& in, bool rounds) {
  std::vector<T> out(in.a.size());
  const auto status =
      body(call_of(s, rounds), encoded<T>(in.a), encoded<T>(in.b), encoded<T>(in.c), out);
  assert(status == kernels::AttentionStatus::ok);
  static_cast<void>(status);
  std::vector<float> x;
  x.reserve(out.size());
  for (const T value : out) x.push_back(kernels::to_float(value));
  return x;
}

template <Body<float> kF32, Body<kernels::F16> kF16, Body<kernels::Bf16> kBf16, bool kRounds>
std::vector<float> run_subject(const KernelShape& s, const KernelInputs& in) {
  switch (s.storage) {
    case f32:
      return run_as<float>(kF32, s, in, kRounds);
    case f16:
      return run_as<kernels::F16>(kF16, s, in, kRounds);
    case bf16:
      return run_as<kernels::Bf16>(kBf16, s, in, kRounds);
  }
  return {};
}

#define REFUTE_SUBJECT(backend, kernel, rounds) \
  run_subject<kernels::backend::kernel, kernels::backend::kernel, kernels::backend::kernel, rounds>

constexpr SubjectKernel kSubjects[] = {
    {"cpu_scalar naive", false, REFUTE_SUBJECT(cpu_scalar, attention_naive, false)},
    {"cpu_scalar flash2", false, REFUTE_SUBJECT(cpu_scalar, attention_flash2, false)},
    {"cpu_simd naive", false, REFUTE_SUBJECT(cpu_simd, attention_naive, false)},
    {"cpu_simd flash2", false, REFUTE_SUBJECT(cpu_simd, attention_flash2, false)},
    {"cpu_scalar flash2, P rounded", true, REFUTE_SUBJECT(cpu_scalar, attention_flash2, true)},
    {"cpu_simd naive, P rounded", true, REFUTE_SUBJECT(cpu_simd, attention_naive, true)},
    {"cpu_simd flash2, P rounded", true, REFUTE_SUBJECT(cpu_simd, attention_flash2, true)},
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
  Source source{seed};
  switch (s.op) {
    case KernelOp::attention: {
      const std::size_t keys = s.batch * s.heads_kv * s.seq_kv * s.head_dim;
      KernelInputs in;
      in.a = normals(source, s.storage, s.rows() * s.head_dim, s.amplitude);
      in.b = normals(source, s.storage, keys, s.amplitude);
      in.c = normals(source, s.storage, keys, 1);
      return in;
    }
    case KernelOp::softmax:
      return {normals(source, s.storage, s.m * s.n, 2 * s.amplitude), {}, {}};
    case KernelOp::gemm: {
      KernelInputs in;
      in.a = normals(source, s.storage, s.m * s.k, 1);
      in.b = normals(source, s.storage, s.n * s.k, 1);
      return in;
    }
  }
  return {};
}

metrics::Criterion criterion(const KernelShape& s, const KernelInputs& in,
                             bool rounds_probabilities) {
  metrics::CriterionData y;
  y.rows = s.rows();
  y.cols = s.cols();
  y.format = format_of(s.storage);
  y.reference.resize(y.rows * y.cols);
  y.bound.resize(y.rows * y.cols);
  metrics::DeclaredPrecision precision;
  precision.output = y.format;
  if (rounds_probabilities) precision.probabilities = y.format;
  switch (s.op) {
    case KernelOp::attention:
      measure_attention(s, in, precision, y);
      break;
    case KernelOp::softmax:
      measure_softmax(s, in, precision, y);
      break;
    case KernelOp::gemm:
      measure_gemm(s, in, precision, y);
      break;
  }
  y.baseline = rounds_probabilities ? REFUTE_SUBJECT(cpu_scalar, attention_naive, true)(s, in)
                                    : mutants::plain_kernel(s, in);
  y.plain = mutants::eager_kernel(s, in);
  return metrics::Criterion(std::move(y));
}

std::span<const SubjectKernel> attention_subjects() {
  return kSubjects;
}

}  // namespace refute::instruments
