#include "harness/instruments/bisect/truth_attention.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "fixtures/oracles/attention_oracle.hpp"
#include "harness/instruments/bisect/truth_elements.hpp"

namespace refute::bisect {
namespace {

double scale_of(const AttentionShape& s) {
  return 1 / std::sqrt(static_cast<double>(s.head_dim));
}

double sums_bound(const Arithmetic& a, std::size_t n, double terms, double value) {
  const double u = a.exact_sums ? 0x1p-52 : unit_roundoff(a.accumulator);
  return metrics::kSixDeviations * u * std::sqrt(static_cast<double>(n)) *
         (terms + std::abs(value));
}

StageTruth of_size(std::size_t n) {
  return {std::vector<double>(n), std::vector<double>(n), {}};
}

/// What two rounded factors add to a sum of products.
double inputs_bound(const Arithmetic& a, double terms) {
  return metrics::kSixDeviations * std::numbers::sqrt2 * a.inputs() * terms;
}

/// [rows, heads, dim] as [heads, rows, dim], the layout of the oracle.
std::vector<float> by_head(std::span<const float> x, std::size_t rows, std::size_t heads,
                           std::size_t dim) {
  std::vector<float> out(x.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t h = 0; h < heads; ++h) {
      for (std::size_t i = 0; i < dim; ++i) {
        out[(h * rows + r) * dim + i] = x[(r * heads + h) * dim + i];
      }
    }
  }
  return out;
}

oracles::WeightError weight_error(const metrics::DeclaredPrecision& precision,
                                  std::size_t head_dim) {
  const metrics::WeightDeviation d = metrics::weight_deviation(precision, head_dim);
  return {d.products, d.score, d.shift, d.constant, d.absolute};
}

}  // namespace

StageTruth scores_truth(const AttentionShape& s, std::span<const float> q, std::span<const float> k,
                        const Arithmetic& a) {
  StageTruth truth = of_size(s.heads * s.tokens * s.keys);
  const double scale = scale_of(s);
  const double scaling = a.exact_sums ? 0x1p-52 : 2 * unit_roundoff(a.accumulator) + a.between();
  for (std::size_t h = 0; h < s.heads; ++h) {
    for (std::size_t t = 0; t < s.tokens; ++t) {
      for (std::size_t j = 0; j < s.visible(t); ++j) {
        double sum = 0, squares = 0;
        for (std::size_t i = 0; i < s.head_dim; ++i) {
          const double term =
              static_cast<double>(q[(t * s.heads + h) * s.head_dim + i]) *
              static_cast<double>(k[(j * s.kv_heads + s.kv_head(h)) * s.head_dim + i]);
          sum += term;
          squares += term * term;
        }
        const std::size_t at = (h * s.tokens + t) * s.keys + j;
        truth.value[at] = sum * scale;
        truth.bound[at] = scale * sums_bound(a, s.head_dim, std::sqrt(squares), sum) +
                          scale * inputs_bound(a, std::sqrt(squares)) +
                          scaling * std::abs(sum * scale) + scale * a.least_between();
      }
    }
  }
  add_output_rounding(truth, a);
  return truth;
}

StageTruth softmax_truth(const AttentionShape& s, std::span<const float> scores,
                         const Arithmetic& a) {
  StageTruth truth = of_size(scores.size());
  metrics::DeclaredPrecision precision = a.precision();
  precision.probabilities = metrics::Format::f32;  // that is the output's rounding here
  oracles::WeightError error = weight_error(precision, 1);
  error.products = 0;
  error.score = a.inputs();  // the scores are given, as they were stored
  std::vector<double> spread(s.keys), terms(s.keys);
  for (std::size_t row = 0; row < s.heads * s.tokens; ++row) {
    const std::size_t seen = s.visible(row % s.tokens);
    const auto x = scores.subspan(row * s.keys, seen);
    const auto value = std::span(truth.value).subspan(row * s.keys, seen);
    const auto bound = std::span(truth.bound).subspan(row * s.keys, seen);
    oracles::softmax(1, seen, x, value, error, {terms, spread});
    if (a.exact_sums && !a.fused) continue;
    softmax_bound(precision, metrics::kSixDeviations, seen, value, std::span(spread).first(seen),
                  bound);
  }
  if (a.exact_sums && !a.fused) {
    for (std::size_t i = 0; i < truth.value.size(); ++i) truth.bound[i] = 0x1p-44 * truth.value[i];
  }
  add_output_rounding(truth, a);
  return truth;
}

StageTruth softmax_of_queries_truth(const AttentionShape& s, std::span<const float> q,
                                    std::span<const float> k, const Arithmetic& a) {
  const StageTruth scores = scores_truth(s, q, k, a);
  const std::vector<float> stored(scores.value.begin(), scores.value.end());
  StageTruth truth = softmax_truth(s, stored, a);
  std::vector<double> off(s.keys);
  for (std::size_t row = 0; row < s.heads * s.tokens; ++row) {
    const std::size_t seen = s.visible(row % s.tokens), begin = row * s.keys;
    double most = 0;
    for (std::size_t j = 0; j < seen; ++j) {
      off[j] = scores.bound[begin + j] + 0x1p-24 * std::abs(scores.value[begin + j]);
      most = std::max(most, off[j]);
    }
    // One exponent moves by its own error, their sum by at most the largest.
    for (std::size_t j = 0; j < seen; ++j) {
      truth.bound[begin + j] += truth.value[begin + j] * std::expm1(off[j] + most);
    }
  }
  return truth;
}

StageTruth mix_truth(const AttentionShape& s, std::span<const float> p, std::span<const float> v,
                     const Arithmetic& a) {
  StageTruth truth = of_size(s.tokens * s.heads * s.head_dim);
  for (std::size_t h = 0; h < s.heads; ++h) {
    for (std::size_t t = 0; t < s.tokens; ++t) {
      for (std::size_t i = 0; i < s.head_dim; ++i) {
        double sum = 0, squares = 0;
        for (std::size_t j = 0; j < s.visible(t); ++j) {
          const double term =
              static_cast<double>(p[(h * s.tokens + t) * s.keys + j]) *
              static_cast<double>(v[(j * s.kv_heads + s.kv_head(h)) * s.head_dim + i]);
          sum += term;
          squares += term * term;
        }
        const std::size_t at = (t * s.heads + h) * s.head_dim + i;
        truth.value[at] = sum;
        truth.bound[at] = sums_bound(a, s.visible(t), std::sqrt(squares), sum) +
                          inputs_bound(a, std::sqrt(squares));
      }
    }
  }
  add_output_rounding(truth, a);
  return truth;
}

StageTruth attention_truth(const AttentionShape& s, std::span<const float> q,
                           std::span<const float> k, std::span<const float> v, const Arithmetic& a,
                           unsigned threads) {
  const std::size_t count = s.tokens * s.heads * s.head_dim;
  const oracles::AttentionProblem problem = {.heads_q = s.heads,
                                             .heads_kv = s.kv_heads,
                                             .seq_q = s.tokens,
                                             .seq_kv = s.keys,
                                             .head_dim = s.head_dim,
                                             .causal = true,
                                             .scale = scale_of(s),
                                             .threads = threads};
  const metrics::DeclaredPrecision precision = a.precision();
  oracles::WeightError error = weight_error(precision, s.head_dim);
  error.products += std::numbers::sqrt2 * a.inputs();
  std::vector<double> value(count), terms(count), spread(count), bound(count);
  oracles::attention(problem, by_head(q, s.tokens, s.heads, s.head_dim),
                     by_head(k, s.keys, s.kv_heads, s.head_dim),
                     by_head(v, s.keys, s.kv_heads, s.head_dim), value, error, {terms, spread});
  attention_bound(precision, metrics::kSixDeviations, s.keys, value, terms, spread, bound);
  StageTruth truth = of_size(count);
  for (std::size_t h = 0; h < s.heads; ++h) {
    for (std::size_t t = 0; t < s.tokens; ++t) {
      for (std::size_t i = 0; i < s.head_dim; ++i) {
        const std::size_t from = (h * s.tokens + t) * s.head_dim + i;
        const std::size_t to = (t * s.heads + h) * s.head_dim + i;
        truth.value[to] = value[from];
        truth.bound[to] = bound[from] + metrics::kSixDeviations * a.inputs() * terms[from];
      }
    }
  }
  add_output_rounding(truth, a);
  return truth;
}

}  // namespace refute::bisect
