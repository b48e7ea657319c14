// Each operation in both arithmetics against its definition in long double, and the properties that
// a forward pass rests on.

#include "kernels/decoder.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "harness/catch.hpp"

namespace refute::kernels {
namespace {

using Floats = std::vector<float>;

Floats random_values(std::size_t count, std::uint64_t seed) {
  Floats out(count);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (float& x : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x = static_cast<float>(static_cast<double>(state >> 40) / (1 << 23) - 1.0);
  }
  return out;
}

/// One arithmetic's operations, and how far its roundings may take a value of size about 1.
struct Arithmetic {
  const char* name;
  bool there;
  double tolerance;
  decltype(&cpu_reference::linear) linear;
  decltype(&cpu_reference::rmsnorm) rmsnorm;
  decltype(&cpu_reference::rope) rope;
  decltype(&cpu_reference::attention_scores) scores;
  decltype(&cpu_reference::attention_softmax) softmax;
  decltype(&cpu_reference::attention_mix) mix;
  decltype(&cpu_reference::silu) silu;
};

std::vector<Arithmetic> arithmetics() {
  using namespace cpu_reference;
  std::vector<Arithmetic> all = {{"reference", true, 0x1p-23, linear, rmsnorm, rope,
                                  attention_scores, attention_softmax, attention_mix, silu}};
  all.push_back({"fast", openblas().found, 2e-5, cpu_fast::linear, cpu_fast::rmsnorm,
                 cpu_fast::rope, cpu_fast::attention_scores, cpu_fast::attention_softmax,
                 cpu_fast::attention_mix, cpu_fast::silu});
  return all;
}

bool near(float got, long double want, double tolerance) {
  const double scale = std::max(1.0, static_cast<double>(std::abs(want)));
  return std::abs(static_cast<double>(got - want)) <= tolerance * scale;
}

std::vector<std::uint32_t> bits(const Floats& values) {
  std::vector<std::uint32_t> out(values.size());
  std::ranges::transform(values, out.begin(),
                         [](float x) { return std::bit_cast<std::uint32_t>(x); });
  return out;
}

}  // namespace

TEST_CASE("linear is x times the transposed weight, for every stride") {
  for (const Arithmetic& a : arithmetics()) {
    if (!a.there) continue;
    for (const auto& [tokens, inputs, outputs] :
         {std::array<std::size_t, 3>{1, 5, 3}, {3, 64, 65}, {7, 100, 130}, {1, 33, 64}}) {
      const LinearShape s = {tokens, inputs, outputs, outputs + 2};
      const Floats x = random_values(tokens * inputs, 1), w = random_values(outputs * inputs, 2);
      Floats y(tokens * s.stride, -7.0f);
      a.linear(s, x, w, y, 2);
      INFO(a.name << " " << tokens << "x" << inputs << "x" << outputs);
      for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t n = 0; n < outputs; ++n) {
          long double want = 0;
          for (std::size_t k = 0; k < inputs; ++k) {
            want += static_cast<long double>(x[t * inputs + k]) * w[n * inputs + k];
          }
          REQUIRE(near(y[t * s.stride + n], want, a.tolerance));
        }
        REQUIRE(y[t * s.stride + outputs] == -7.0f);
      }
    }
  }
}

TEST_CASE("the reference's sums hold what f32 sums lose") {
  // 2^25 + 1 needs 26 bits; then the large part goes away again.
  Floats x(64, 1.0f), w(64, 1.0f);
  x[0] = 0x1p25f;
  x[8] = -0x1p25f;
  Floats y(1);
  cpu_reference::linear({1, 64, 1, 1}, x, w, y, 1);
  CHECK(y[0] == 62.0f);
}

TEST_CASE("the number of threads changes no bit of the reference") {
  const LinearShape s = {3, 100, 300, 300};
  const Floats x = random_values(300, 1), w = random_values(30000, 2);
  Floats one(900), many(900);
  cpu_reference::linear(s, x, w, one, 1);
  cpu_reference::linear(s, x, w, many, 5);
  CHECK(bits(one) == bits(many));
}

TEST_CASE("rmsnorm divides each row by its root mean square") {
  for (const Arithmetic& a : arithmetics()) {
    const Floats x = random_values(3 * 37, 3), w = random_values(37, 4);
    Floats out(x.size());
    a.rmsnorm(x, w, 1e-5, out);
    for (std::size_t row = 0; row < x.size(); row += 37) {
      long double sum = 0;
      for (std::size_t i = 0; i < 37; ++i) sum += static_cast<long double>(x[row + i]) * x[row + i];
      const long double root = std::sqrt(sum / 37 + 1e-5L);
      for (std::size_t i = 0; i < 37; ++i) {
        INFO(a.name);
        REQUIRE(near(out[row + i], x[row + i] / root * w[i], a.tolerance));
      }
    }
  }
  Floats zeros(4), out(4);
  cpu_reference::rmsnorm(zeros, Floats(4, 1.0f), 1e-6, out);
  CHECK(out == Floats(4, 0.0f));  // epsilon keeps 0/0 away
}

TEST_CASE("rope turns each pair by its angle and keeps its length") {
  RopeTable table{.half = 4, .cos = {}, .sin = {}};
  for (int i = 0; i < 3 * 4; ++i) {
    table.cos.push_back(std::cos(0.3 * i));
    table.sin.push_back(std::sin(0.3 * i));
  }
  const RopeShape s = {.tokens = 3, .heads = 2, .stride = 20};
  const Floats x = random_values(60, 5);
  for (const Arithmetic& a : arithmetics()) {
    Floats out(3 * 2 * 8);
    a.rope(s, table, x, out);
    for (std::size_t t = 0; t < 3; ++t) {
      for (std::size_t h = 0; h < 2; ++h) {
        for (std::size_t i = 0; i < 4; ++i) {
          const long double re = x[t * 20 + h * 8 + i], im = x[t * 20 + h * 8 + i + 4];
          const long double angle = 0.3 * static_cast<double>(t * 4 + i);
          const std::size_t at = (t * 2 + h) * 8 + i;
          INFO(a.name);
          REQUIRE(near(out[at], re * std::cos(angle) - im * std::sin(angle), a.tolerance));
          REQUIRE(near(out[at + 4], re * std::sin(angle) + im * std::cos(angle), a.tolerance));
        }
      }
    }
  }
}

TEST_CASE("the three parts of attention are attention, and read nothing that is masked") {
  const CausalShape s = {.tokens = 5,
                         .keys = 9,
                         .capacity = 12,
                         .heads = 4,
                         .kv_heads = 2,
                         .head_dim = 6,
                         .scale = 1 / std::sqrt(6.0)};
  const Floats q = random_values(5 * 4 * 6, 6);
  Floats k = random_values(2 * 12 * 6, 7), v = random_values(2 * 12 * 6, 8);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t head = 0; head < 2; ++head) {  // beyond the keys there is nothing yet
    std::fill_n(&k[(head * 12 + 9) * 6], 18, nan);
    std::fill_n(&v[(head * 12 + 9) * 6], 18, nan);
  }
  for (const Arithmetic& a : arithmetics()) {
    INFO(a.name);
    Floats scores(4 * 5 * 9, nan), p(4 * 5 * 9, nan), out(5 * 4 * 6, nan);
    a.scores(s, q, k, scores, 2);
    a.softmax(s, scores, p, 2);
    a.mix(s, p, v, out, 2);
    for (std::size_t t = 0; t < 5; ++t) {
      for (std::size_t h = 0; h < 4; ++h) {
        const std::size_t kv = h / 2, seen = 9 - 5 + t + 1;
        std::vector<long double> weight(seen);
        long double sum = 0;
        for (std::size_t j = 0; j < seen; ++j) {
          long double dot = 0;
          for (std::size_t i = 0; i < 6; ++i) {
            dot += static_cast<long double>(q[(t * 4 + h) * 6 + i]) * k[(kv * 12 + j) * 6 + i];
          }
          REQUIRE(near(scores[(h * 5 + t) * 9 + j], dot / std::sqrt(6.0L), a.tolerance));
          sum += weight[j] = std::exp(dot / std::sqrt(6.0L));
        }
        for (std::size_t j = 0; j < 9; ++j) {
          const long double want = j < seen ? weight[j] / sum : 0;
          REQUIRE(near(p[(h * 5 + t) * 9 + j], want, a.tolerance));
        }
        for (std::size_t i = 0; i < 6; ++i) {
          long double want = 0;
          for (std::size_t j = 0; j < seen; ++j) {
            want += weight[j] / sum * v[(kv * 12 + j) * 6 + i];
          }
          REQUIRE(near(out[(t * 4 + h) * 6 + i], want, a.tolerance));
        }
      }
    }
  }
}

TEST_CASE("a NaN reaches the queries that see it and no earlier one") {
  const CausalShape s = {.tokens = 6,
                         .keys = 6,
                         .capacity = 6,
                         .heads = 1,
                         .kv_heads = 1,
                         .head_dim = 4,
                         .scale = 0.5};
  const Floats q(24, 1.0f);
  Floats k(24, 1.0f), v = random_values(24, 1);
  k[3 * 4] = v[4 * 4] = std::numeric_limits<float>::quiet_NaN();
  for (const Arithmetic& a : arithmetics()) {
    Floats scores(36), p(36), out(24);
    a.scores(s, q, k, scores, 1);
    a.softmax(s, scores, p, 1);
    a.mix(s, p, v, out, 1);
    for (std::size_t t = 0; t < 6; ++t) {
      INFO(a.name << " token " << t);
      CHECK(std::isnan(out[t * 4]) == (t >= 3));
    }
  }
}

TEST_CASE("silu is x times its logistic function, also far out") {
  const Floats x = {-200.0f, -88.5f, -20.0f, -1.0f, -0.0f, 0.0f, 1e-30f, 1.0f, 20.0f, 200.0f};
  for (const Arithmetic& a : arithmetics()) {
    Floats out(x.size());
    a.silu(x, out);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double want = x[i] / (1 + std::exp(-static_cast<long double>(x[i])));
      INFO(a.name << " " << x[i]);
      CHECK(std::abs(out[i] - want) <= 4e-7L * std::abs(want) + 1e-37L);
    }
    CHECK(std::signbit(out[4]));
  }
}

TEST_CASE("a machine without OpenBLAS says why") {
  if (openblas().found) {
    CHECK(openblas().name.starts_with("OpenBLAS "));
    CHECK(openblas().why.empty());
  } else {
    CHECK_FALSE(openblas().why.empty());
  }
}

}  // namespace refute::kernels
