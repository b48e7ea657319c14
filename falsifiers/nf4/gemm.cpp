// C[m, n] = A[m, k] · Q[n, k]ᵀ with packed Q. The generated tensor is the weights [n, k]; A follows
// from the case's seed.

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include <fmt/format.h>

#include "falsifiers/nf4/checks.hpp"
#include "falsifiers/nf4/support.hpp"
#include "falsifiers/subjects/nf4_subjects.hpp"
#include "fixtures/oracles/nf4_oracle.hpp"
#include "harness/metrics/rules.hpp"
#include "harness/worker/domains.hpp"
#include "harness/worker/expand.hpp"
#include "harness/worker/guarded_buffer.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;
using worker::CaseFailed;
using worker::CasePassed;
using worker::CaseResult;
using worker::Context;
using worker::GuardedOutput;
using worker::TensorCase;

/// One multiplication: what goes in, and what the packed weights mean.
struct Problem {
  std::size_t m, n, k;
  std::vector<float> a;
  Nf4Reference q;
};

std::size_t rows_of_a(const TensorCase& c, std::uint64_t max_m) {
  return 1 + worker::derive_seed(c.seed, 1) % max_m;
}

Problem normal_problem(const TensorCase& c, std::span<const float> w, std::uint64_t max_m) {
  Problem p{rows_of_a(c, max_m), c.rows, c.cols, {}, nf4_reference(w, Nf4Decision::thresholds)};
  p.a.resize(p.m * p.k);
  worker::fill(worker::Family::normal, worker::derive_seed(c.seed, 2), p.a);
  return p;
}

/// Codes 0, 7 and 15 are -1, 0 and 1; with whole scales and whole A every product and partial sum
/// is a whole number that f32 holds, in any order of adding. What differs then is an index, never a
/// rounding.
Problem integer_problem(const TensorCase& c, std::uint64_t max_m) {
  constexpr std::uint8_t kCodes[] = {0, 7, 15};
  Problem p{rows_of_a(c, max_m), c.rows, c.cols, {}, {}};
  p.a.resize(p.m * p.k);
  p.q = {std::vector<std::uint8_t>(c.size()), std::vector<float>(c.size() / kNf4Block),
         std::vector<float>(c.size())};
  for (std::size_t i = 0; i < p.a.size(); ++i) {
    p.a[i] =
        static_cast<float>(worker::word_at(c.seed, 3, static_cast<std::uint32_t>(i)) % 17) - 8.0f;
  }
  for (std::size_t b = 0; b < p.q.absmax.size(); ++b) {
    p.q.absmax[b] =
        static_cast<float>(1 + worker::word_at(c.seed, 4, static_cast<std::uint32_t>(b)) % 8);
  }
  for (std::size_t i = 0; i < c.size(); ++i) {
    p.q.codes[i] = kCodes[worker::word_at(c.seed, 5, static_cast<std::uint32_t>(i)) % 3];
    p.q.values[i] = oracles::nf4_codebook()[p.q.codes[i]] * p.q.absmax[i / kNf4Block];
  }
  return p;
}

/// Compares a result of the subject; empty if it is right.
using Judge = std::function<std::optional<CaseFailed>(const Problem&, std::span<const float>)>;

Verdict check_gemm(Context& context,
                   const std::function<Problem(const TensorCase&, std::span<const float>)>& pose,
                   const Judge& judge) {
  const auto subject = nf4_subject_of(context);
  const auto layouts = layouts_of(context);
  worker::CaseSpace space = nf4_space_of(context);
  space.max_specials = 0;  // the claims speak of weights in their usual range
  return worker::check_property(
      context, context.count("cases"), space,
      [&](const TensorCase& c, std::span<const float> w) -> CaseResult {
        const Problem p = pose(c, w);
        for (Nf4Layout layout : layouts) {
          GuardedOutput<float> got("c", p.m * p.n);
          const auto result = subject->gemm(p.a, nf4_reference_packed(p.q, layout), p.m, p.n, p.k,
                                            layout, got.span());
          if (const auto v = got.violation()) return nf4_failed(v->message);
          if (result.status != Nf4Status::ok) return nf4_failed("refuses a sound shape");
          if (auto failure = judge(p, got.span())) {
            failure->message = fmt::format("[{}, {}, {}], {}: {}", p.m, p.n, p.k, to_string(layout),
                                           failure->message);
            failure->offender.reset();  // an element of C, not of the weights
            return *failure;
          }
        }
        return CasePassed{};
      });
}

}  // namespace

Verdict nf4_gemm_parity(Context& context) {
  context.agreement(Agreement::tolerance);
  const double limit = context.real("max_abs_error");
  const std::uint64_t max_m = context.count("max_m");
  return check_gemm(
      context,
      [&](const TensorCase& c, std::span<const float> w) { return normal_problem(c, w, max_m); },
      [&](const Problem& p, std::span<const float> got) -> std::optional<CaseFailed> {
        std::vector<float> plain(got.size());
        cpu_scalar::naive_gemm(p.a, p.q.values, p.m, p.n, p.k, plain);
        const std::vector<double> want(plain.begin(), plain.end()), bound(plain.size(), limit);
        if (context.compare().within(got, want, bound)) return std::nullopt;
        return worker::failed(context.compare());
      });
}

Verdict nf4_gemm_bound(Context& context) {
  context.agreement(Agreement::tolerance);
  const double lambda = context.real("lambda"), unit = context.real("unit_roundoff");
  const std::uint64_t max_m = context.count("max_m");
  return check_gemm(
      context,
      [&](const TensorCase& c, std::span<const float> w) { return normal_problem(c, w, max_m); },
      [&](const Problem& p, std::span<const float> got) -> std::optional<CaseFailed> {
        const oracles::GemmF64 want = oracles::gemm_f64(p.a, p.q.values, p.m, p.n, p.k);
        metrics::ComponentwiseBound rule;
        rule.u_out = rule.u_acc = unit;
        rule.lambda = lambda;
        rule.terms = p.k;
        std::vector<double> bound(got.size());
        for (std::size_t i = 0; i < bound.size(); ++i)
          bound[i] = rule.at(want.value[i], want.term_norm[i]);
        if (context.compare().within(got, want.value, bound)) return std::nullopt;
        return worker::failed(context.compare());
      });
}

Verdict nf4_gemm_integers(Context& context) {
  context.agreement(Agreement::bytewise);
  const std::uint64_t max_m = context.count("max_m");
  return check_gemm(
      context,
      [&](const TensorCase& c, std::span<const float>) { return integer_problem(c, max_m); },
      [&](const Problem& p, std::span<const float> got) -> std::optional<CaseFailed> {
        const oracles::GemmF64 exact = oracles::gemm_f64(p.a, p.q.values, p.m, p.n, p.k);
        const std::vector<float> want(exact.value.begin(), exact.value.end());
        std::vector<float> positive(got.begin(), got.end());
        for (float& x : positive) x += 0.0f;  // a sum of zeros may carry either sign
        if (context.compare().bits(positive, want)) return std::nullopt;
        return worker::failed(context.compare());
      });
}

}  // namespace refute::falsifiers
