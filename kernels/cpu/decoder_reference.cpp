// The decoder's operations in f64, rounded once at the end.

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>

#include "kernels/cpu/attention_parallel.hpp"
#include "kernels/decoder.hpp"

namespace refute::kernels::cpu_reference {
namespace {

constexpr std::size_t kLanes = 8;

/// Σ aᵢbᵢ over eight lanes, lane j taking i ≡ j; a product of two f32 is exact in f64, so the only
/// roundings are those of the sums, and whether the compiler fuses them cannot matter.
double dot(const float* a, const float* b, std::size_t n) {
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      sums[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
    }
  }
  for (std::size_t j = 0; i + j < n; ++j) {
    sums[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) sums[j] += sums[j + half];
  }
  return sums[0];
}

/// A maximum that a NaN survives, so that it reaches the row's result.
double max_keeping_nan(double a, double b) {
  return std::isnan(a) || a > b ? a : b;
}

/// One row of softmax over what a query sees; a row of nothing but -infinity gives zeros.
void softmax_row(std::span<const float> x, std::span<float> out) {
  double max = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const float value : x) max = max_keeping_nan(max, value);
  const bool nothing = max == -std::numeric_limits<double>::infinity();
  for (const float value : x) sum += nothing ? 0 : std::exp(value - max);
  for (std::size_t i = 0; i < x.size(); ++i) {
    out[i] = nothing ? 0.0f : static_cast<float>(std::exp(x[i] - max) / sum);
  }
}

}  // namespace

void linear(const LinearShape& s, std::span<const float> x, std::span<const float> weight,
            std::span<float> y, unsigned threads) {
  assert(x.size() == s.tokens * s.inputs && weight.size() == s.outputs * s.inputs);
  assert(s.stride >= s.outputs && y.size() >= (s.tokens - 1) * s.stride + s.outputs);
  constexpr std::size_t kRows = 64;  // of the weight, per piece of work
  attention_parallel((s.outputs + kRows - 1) / kRows, threads, [&](std::size_t piece) {
    const std::size_t end = std::min(s.outputs, (piece + 1) * kRows);
    for (std::size_t n = piece * kRows; n < end; ++n) {
      const float* row = &weight[n * s.inputs];
      for (std::size_t t = 0; t < s.tokens; ++t) {
        y[t * s.stride + n] = static_cast<float>(dot(&x[t * s.inputs], row, s.inputs));
      }
    }
  });
}

void add_bias(std::span<const float> x, std::span<const float> bias, std::span<float> out) {
  assert(x.size() == out.size() && x.size() % bias.size() == 0);
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = x[i] + bias[i % bias.size()];
}

void rmsnorm(std::span<const float> x, std::span<const float> weight, double epsilon,
             std::span<float> out) {
  const std::size_t cols = weight.size();
  assert(x.size() == out.size() && x.size() % cols == 0);
  for (std::size_t row = 0; row < x.size(); row += cols) {
    const double mean = dot(&x[row], &x[row], cols) / static_cast<double>(cols);
    const double factor = 1 / std::sqrt(mean + epsilon);
    for (std::size_t i = 0; i < cols; ++i) {
      out[row + i] = static_cast<float>(x[row + i] * factor * weight[i]);
    }
  }
}

void rope(const RopeShape& s, const RopeTable& table, std::span<const float> x,
          std::span<float> out) {
  const std::size_t half = table.half, dim = 2 * half;
  assert(table.cos.size() == s.tokens * half && out.size() == s.tokens * s.heads * dim);
  for (std::size_t t = 0; t < s.tokens; ++t) {
    for (std::size_t h = 0; h < s.heads; ++h) {
      const float* in = &x[t * s.stride + h * dim];
      float* to = &out[(t * s.heads + h) * dim];
      for (std::size_t i = 0; i < half; ++i) {
        const double c = table.cos[t * half + i], sine = table.sin[t * half + i];
        to[i] = static_cast<float>(in[i] * c - in[i + half] * sine);
        to[i + half] = static_cast<float>(in[i + half] * c + in[i] * sine);
      }
    }
  }
}

void attention_scores(const CausalShape& s, std::span<const float> q, std::span<const float> k,
                      std::span<float> scores, unsigned threads) {
  assert(q.size() == s.tokens * s.heads * s.head_dim);
  assert(k.size() == s.kv_heads * s.capacity * s.head_dim);
  assert(scores.size() == s.heads * s.tokens * s.keys);
  attention_parallel(s.heads, threads, [&](std::size_t h) {
    const float* keys = &k[h / (s.heads / s.kv_heads) * s.capacity * s.head_dim];
    for (std::size_t t = 0; t < s.tokens; ++t) {
      const float* query = &q[(t * s.heads + h) * s.head_dim];
      float* row = &scores[(h * s.tokens + t) * s.keys];
      for (std::size_t j = 0; j < s.visible(t); ++j) {
        row[j] = static_cast<float>(dot(query, keys + j * s.head_dim, s.head_dim) * s.scale);
      }
      std::fill(row + s.visible(t), row + s.keys, 0.0f);
    }
  });
}

void attention_softmax(const CausalShape& s, std::span<const float> scores,
                       std::span<float> probabilities, unsigned threads) {
  assert(scores.size() == s.heads * s.tokens * s.keys && probabilities.size() == scores.size());
  attention_parallel(s.heads, threads, [&](std::size_t h) {
    for (std::size_t t = 0; t < s.tokens; ++t) {
      const std::size_t row = (h * s.tokens + t) * s.keys, seen = s.visible(t);
      softmax_row(scores.subspan(row, seen), probabilities.subspan(row, seen));
      std::ranges::fill(probabilities.subspan(row + seen, s.keys - seen), 0.0f);
    }
  });
}

void attention_mix(const CausalShape& s, std::span<const float> probabilities,
                   std::span<const float> v, std::span<float> out, unsigned threads) {
  assert(probabilities.size() == s.heads * s.tokens * s.keys);
  assert(v.size() == s.kv_heads * s.capacity * s.head_dim);
  assert(out.size() == s.tokens * s.heads * s.head_dim);
  attention_parallel(s.heads, threads, [&](std::size_t h) {
    const float* values = &v[h / (s.heads / s.kv_heads) * s.capacity * s.head_dim];
    std::vector<double> sum(s.head_dim);
    for (std::size_t t = 0; t < s.tokens; ++t) {
      const float* p = &probabilities[(h * s.tokens + t) * s.keys];
      std::ranges::fill(sum, 0.0);
      for (std::size_t j = 0; j < s.visible(t); ++j) {
        for (std::size_t i = 0; i < s.head_dim; ++i) {
          sum[i] += static_cast<double>(p[j]) * static_cast<double>(values[j * s.head_dim + i]);
        }
      }
      std::ranges::transform(sum, &out[(t * s.heads + h) * s.head_dim],
                             [](double x) { return static_cast<float>(x); });
    }
  });
}

void silu(std::span<const float> x, std::span<float> out) {
  assert(x.size() == out.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = x[i];
    out[i] = static_cast<float>(value / (1 + std::exp(-value)));
  }
}

void multiply(std::span<const float> a, std::span<const float> b, std::span<float> out) {
  assert(a.size() == b.size() && a.size() == out.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] * b[i];
}

void add(std::span<const float> a, std::span<const float> b, std::span<float> out) {
  assert(a.size() == b.size() && a.size() == out.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] + b[i];
}

}  // namespace refute::kernels::cpu_reference
