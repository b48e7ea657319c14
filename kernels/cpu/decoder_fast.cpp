// The decoder's operations in f32. Sums run over sixteen lanes, which the compiler keeps in vector
// registers; matrix products are OpenBLAS's (openblas.cpp).

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "kernels/attention.hpp"
#include "kernels/cpu/attention_parallel.hpp"
#include "kernels/cpu/openblas.hpp"
#include "kernels/decoder.hpp"

namespace refute::kernels::cpu_fast {
namespace {

constexpr std::size_t kLanes = 16;

float dot(const float* a, const float* b, std::size_t n) {
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) sums[j] += a[i + j] * b[i + j];
  }
  for (std::size_t j = 0; i + j < n; ++j) sums[j] += a[i + j] * b[i + j];
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) sums[j] += sums[j + half];
  }
  return sums[0];
}

}  // namespace

void linear(const LinearShape& s, std::span<const float> x, std::span<const float> weight,
            std::span<float> y, unsigned) {
  assert(x.size() == s.tokens * s.inputs && weight.size() == s.outputs * s.inputs);
  assert(s.stride >= s.outputs && y.size() >= (s.tokens - 1) * s.stride + s.outputs);
  openblas_linear(s, x.data(), weight.data(), y.data());
}

void add_bias(std::span<const float> x, std::span<const float> bias, std::span<float> out) {
  assert(x.size() == out.size() && x.size() % bias.size() == 0);
  for (std::size_t row = 0; row < x.size(); row += bias.size()) {
    for (std::size_t i = 0; i < bias.size(); ++i) out[row + i] = x[row + i] + bias[i];
  }
}

void rmsnorm(std::span<const float> x, std::span<const float> weight, double epsilon,
             std::span<float> out) {
  const std::size_t cols = weight.size();
  assert(x.size() == out.size() && x.size() % cols == 0);
  for (std::size_t row = 0; row < x.size(); row += cols) {
    const float mean = dot(&x[row], &x[row], cols) / static_cast<float>(cols);
    const float factor = 1 / std::sqrt(mean + static_cast<float>(epsilon));
    for (std::size_t i = 0; i < cols; ++i) out[row + i] = x[row + i] * factor * weight[i];
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
        const float c = static_cast<float>(table.cos[t * half + i]);
        const float sine = static_cast<float>(table.sin[t * half + i]);
        to[i] = in[i] * c - in[i + half] * sine;
        to[i + half] = in[i + half] * c + in[i] * sine;
      }
    }
  }
}

void attention_scores(const CausalShape& s, std::span<const float> q, std::span<const float> k,
                      std::span<float> scores, unsigned threads) {
  assert(q.size() == s.tokens * s.heads * s.head_dim);
  assert(k.size() == s.kv_heads * s.capacity * s.head_dim);
  assert(scores.size() == s.heads * s.tokens * s.keys);
  const float scale = static_cast<float>(s.scale);
  attention_parallel(s.heads, threads, [&](std::size_t h) {
    const float* keys = &k[h / (s.heads / s.kv_heads) * s.capacity * s.head_dim];
    for (std::size_t t = 0; t < s.tokens; ++t) {
      const float* query = &q[(t * s.heads + h) * s.head_dim];
      float* row = &scores[(h * s.tokens + t) * s.keys];
      for (std::size_t j = 0; j < s.visible(t); ++j) {
        row[j] = dot(query, keys + j * s.head_dim, s.head_dim) * scale;
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
      const std::span<float> out = probabilities.subspan(row, s.keys);
      std::ranges::copy(scores.subspan(row, seen), out.begin());
      cpu_simd::softmax_rows(out.first(seen), 1, seen, 1.0f);
      std::ranges::fill(out.subspan(seen), 0.0f);
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
    for (std::size_t t = 0; t < s.tokens; ++t) {
      const float* p = &probabilities[(h * s.tokens + t) * s.keys];
      float* sum = &out[(t * s.heads + h) * s.head_dim];
      std::fill_n(sum, s.head_dim, 0.0f);
      for (std::size_t j = 0; j < s.visible(t); ++j) {
        for (std::size_t i = 0; i < s.head_dim; ++i) sum[i] += p[j] * values[j * s.head_dim + i];
      }
    }
  });
}

void silu(std::span<const float> x, std::span<float> out) {
  assert(x.size() == out.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = x[i] / (1.0f + std::exp(-x[i]));
}

void multiply(std::span<const float> a, std::span<const float> b, std::span<float> out) {
  assert(a.size() == b.size() && a.size() == out.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] * b[i];
}

void add(std::span<const float> a, std::span<const float> b, std::span<float> out) {
  assert(a.size() == b.size() && a.size() == out.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] + b[i];
}

}  // namespace refute::kernels::cpu_fast
