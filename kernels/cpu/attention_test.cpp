// The attention kernels against the f64 oracle, against each other, and in what they promise of
// their bits.

#include "kernels/attention.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "fixtures/oracles/attention_oracle.hpp"
#include "harness/catch.hpp"
#include "kernels/simd.hpp"

namespace refute::kernels {
namespace {

template <class T>
using Kernel = AttentionStatus (*)(const AttentionCall&, std::span<const T>, std::span<const T>,
                                   std::span<const T>, std::span<T>);

template <class T>
struct Named {
  const char* name;
  Kernel<T> kernel;
};

template <class T>
constexpr Named<T> kKernels[] = {
    {"cpu_scalar naive", cpu_scalar::attention_naive},
    {"cpu_scalar flash2", cpu_scalar::attention_flash2},
    {"cpu_simd naive", cpu_simd::attention_naive},
    {"cpu_simd flash2", cpu_simd::attention_flash2},
};

/// About N(0, 1): the sum of twelve uniform numbers, from a fixed generator.
struct Source {
  std::uint64_t state;
  float operator()() {
    float sum = -6;
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      sum += static_cast<float>(state >> 40) * 0x1p-24f;
    }
    return sum;
  }
};

template <class T>
struct Tensors {
  std::vector<T> q, k, v;
};

template <class T>
Tensors<T> random_tensors(const AttentionShape& s, std::uint64_t seed) {
  Source source{seed};
  const auto fill = [&](std::size_t count) {
    std::vector<T> x(count);
    for (T& value : x) value = from_float<T>(source());
    return x;
  };
  const std::size_t keys = s.batch * s.heads_kv * s.seq_kv * s.head_dim;
  return {fill(s.batch * s.heads_q * s.seq_q * s.head_dim), fill(keys), fill(keys)};
}

template <class T>
std::vector<float> floats(const std::vector<T>& x) {
  std::vector<float> out;
  for (const T value : x) out.push_back(to_float(value));
  return out;
}

template <class T>
std::vector<double> exact(const AttentionCall& call, const Tensors<T>& t) {
  const AttentionShape& s = call.shape;
  std::vector<double> out(t.q.size());
  oracles::attention({s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim,
                      call.mask == AttentionMask::causal, call.scale},
                     floats(t.q), floats(t.k), floats(t.v), out);
  return out;
}

template <class T>
std::vector<T> run(Kernel<T> kernel, const AttentionCall& call, const Tensors<T>& t) {
  std::vector<T> out(t.q.size(), from_float<T>(std::numeric_limits<float>::quiet_NaN()));
  REQUIRE(kernel(call, t.q, t.k, t.v, out) == AttentionStatus::ok);
  return out;
}

AttentionCall call_for(const AttentionShape& shape, AttentionMask mask) {
  AttentionCall call;
  call.shape = shape;
  call.mask = mask;
  call.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
  return call;
}

constexpr AttentionShape kShapes[] = {
    {1, 1, 1, 1, 1, 64},   {1, 2, 1, 63, 63, 64},   {2, 4, 2, 64, 64, 64}, {1, 2, 2, 65, 65, 128},
    {1, 3, 1, 1, 200, 64}, {1, 2, 2, 101, 129, 64}, {1, 1, 1, 70, 3, 128},
};

/// Half an ulp of the storage at 4, which no output here reaches, and the f32 work.
template <class T>
constexpr double kTolerance = 4e-6;
template <>
constexpr double kTolerance<F16> = 0x1p-10 + 4e-6;
template <>
constexpr double kTolerance<Bf16> = 0x1p-7 + 4e-6;

template <class T>
double worst_error(const std::vector<T>& got, const std::vector<double>& want) {
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(to_float(got[i]) - want[i]);
    if (!(error <= worst)) worst = std::isnan(error) ? 1e300 : error;
  }
  return worst;
}

template <class T>
void check_against_oracle() {
  for (const AttentionShape& shape : kShapes) {
    for (const AttentionMask mask : {AttentionMask::full, AttentionMask::causal}) {
      const AttentionCall call = call_for(shape, mask);
      const Tensors<T> t = random_tensors<T>(shape, 7);
      const std::vector<double> want = exact(call, t);
      for (const Named<T>& row : kKernels<T>) {
        INFO(row.name << " S_q " << shape.seq_q << " S_kv " << shape.seq_kv);
        CHECK(worst_error(run(row.kernel, call, t), want) <= kTolerance<T>);
      }
    }
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return std::ranges::equal(a, b, [](T x, T y) {
    return std::bit_cast<std::uint32_t>(to_float(x)) == std::bit_cast<std::uint32_t>(to_float(y));
  });
}

}  // namespace

TEST_CASE("every kernel is near the oracle") {
  SECTION("f32") {
    check_against_oracle<float>();
  }
  SECTION("f16") {
    check_against_oracle<F16>();
  }
  SECTION("bf16") {
    check_against_oracle<Bf16>();
  }
}

TEST_CASE("the naive kernels take any head_dim") {
  for (const std::size_t head_dim : {1, 7, 16, 96, 130}) {
    const AttentionCall call = call_for({1, 2, 1, 9, 70, head_dim}, AttentionMask::causal);
    const auto t = random_tensors<float>(call.shape, head_dim);
    for (const std::size_t i : {0, 2}) {
      INFO(kKernels<float>[i].name << " D " << head_dim);
      CHECK(worst_error(run(kKernels<float>[i].kernel, call, t), exact(call, t)) <= 4e-6);
    }
  }
}

TEST_CASE("the number of threads does not change a bit") {
  AttentionCall call = call_for({2, 4, 2, 200, 200, 64}, AttentionMask::causal);
  const auto t = random_tensors<Bf16>(call.shape, 1);
  for (const auto& row : kKernels<Bf16>) {
    call.threads = 1;
    const auto one = run(row.kernel, call, t);
    for (const unsigned threads : {2u, 3u, 7u, 64u}) {
      call.threads = threads;
      INFO(row.name << " threads " << threads);
      CHECK(same_bits(run(row.kernel, call, t), one));
    }
  }
}

TEST_CASE("the vector kernels give the same bits on every instruction set") {
  AttentionCall call = call_for({1, 2, 1, 40, 100, 64}, AttentionMask::causal);
  call.probabilities = AttentionProbabilities::round_to_storage;
  const auto t = random_tensors<F16>(call.shape, 3);
  for (const std::size_t i : {2, 3}) {
    const auto& row = kKernels<F16>[i];
    const auto best = run(row.kernel, call, t);
    for (const char* target : simd_targets()) {
      REQUIRE(force_simd_target(target));
      INFO(row.name << " on " << target);
      CHECK(same_bits(run(row.kernel, call, t), best));
    }
    force_simd_target("");
  }
}

TEST_CASE("a decoded row has the bits of the same row in a prefill") {
  const AttentionCall prefill = call_for({1, 2, 1, 150, 150, 128}, AttentionMask::causal);
  const auto t = random_tensors<float>(prefill.shape, 5);
  const auto all = run<float>(cpu_simd::attention_flash2, prefill, t);
  AttentionCall decode = prefill;
  decode.shape.seq_q = 1;
  decode.shape.heads_q = 1;
  auto one = t;
  one.q.assign(&t.q[149 * 128], &t.q[150 * 128]);
  const auto last = run<float>(cpu_simd::attention_flash2, decode, one);
  CHECK(same_bits(last, std::vector<float>(&all[149 * 128], &all[150 * 128])));
}

TEST_CASE("what is masked is ignored, also when it is NaN or infinite") {
  const AttentionCall call = call_for({1, 1, 1, 130, 130, 64}, AttentionMask::causal);
  const auto t = random_tensors<float>(call.shape, 9);
  for (const float poison :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30f}) {
    auto changed = t;
    for (std::size_t i = 70 * 64; i < changed.k.size(); ++i) changed.k[i] = changed.v[i] = poison;
    for (const auto& row : kKernels<float>) {
      auto before = run(row.kernel, call, t), after = run(row.kernel, call, changed);
      before.resize(70 * 64);
      after.resize(70 * 64);
      INFO(row.name << " poison " << poison);
      CHECK(same_bits(before, after));
    }
  }
}

TEST_CASE("a NaN that a query sees reaches its whole row, and no other") {
  const AttentionCall call = call_for({1, 1, 1, 100, 100, 64}, AttentionMask::causal);
  for (const float poison :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto t = random_tensors<float>(call.shape, 2);
    t.k[80 * 64] = poison;
    for (std::size_t row = 0; row < 100; ++row)
      t.q[row * 64] = 1;  // the infinity is a positive score
    for (const auto& kernel : kKernels<float>) {
      const auto out = run(kernel.kernel, call, t);
      bool right = true;
      for (std::size_t i = 0; i < out.size(); ++i) right &= std::isnan(out[i]) == (i >= 80 * 64);
      INFO(kernel.name << " poison " << poison);
      CHECK(right);
    }
  }
}

TEST_CASE("queries that see nothing give zeros") {
  const AttentionCall call = call_for({1, 1, 1, 80, 10, 64}, AttentionMask::causal);
  auto t = random_tensors<Bf16>(call.shape, 4);
  for (const auto& row : kKernels<Bf16>) {
    const auto out = run(row.kernel, call, t);
    INFO(row.name);
    for (std::size_t i = 0; i < 70 * 64; ++i) REQUIRE(out[i].bits == 0);
    CHECK(out[70 * 64].bits != 0);
  }
  AttentionCall low = call_for({1, 1, 1, 1, 3, 64}, AttentionMask::full);
  auto minus = random_tensors<float>(low.shape, 4);
  for (float& x : minus.q) x = 1;
  for (float& x : minus.k) x = -std::numeric_limits<float>::infinity();
  for (const auto& row : kKernels<float>) {
    INFO(row.name);
    CHECK(run(row.kernel, low, minus) == std::vector<float>(64, 0.0f));
  }
}

TEST_CASE("rounding the probabilities changes bits and stays near") {
  AttentionCall call = call_for({1, 2, 2, 80, 80, 64}, AttentionMask::full);
  const auto t = random_tensors<Bf16>(call.shape, 6);
  const auto want = exact(call, t);
  for (const auto& row : kKernels<Bf16>) {
    call.probabilities = AttentionProbabilities::keep_f32;
    const auto kept = run(row.kernel, call, t);
    call.probabilities = AttentionProbabilities::round_to_storage;
    const auto rounded = run(row.kernel, call, t);
    INFO(row.name);
    CHECK_FALSE(same_bits(kept, rounded));
    CHECK(worst_error(rounded, want) <= 0x1p-7);
  }
}

TEST_CASE("huge logits and one-hot rows do not overflow") {
  AttentionCall call = call_for({1, 1, 1, 5, 130, 64}, AttentionMask::full);
  call.scale = 3e4f;
  const auto t = random_tensors<float>(call.shape, 8);
  const auto want = exact(call, t);
  for (const auto& row : kKernels<float>) {
    INFO(row.name);
    CHECK(worst_error(run(row.kernel, call, t), want) <= 1e-6);
  }
}

TEST_CASE("softmax rows of any length") {
  for (const std::size_t cols : {1, 15, 16, 17, 100, 4001}) {
    Source source{cols};
    std::vector<float> x(3 * cols);
    for (float& value : x) value = source() * 4;
    std::vector<double> want(x.size()), spread(x.size());
    oracles::softmax(3, cols, x, want, {}, {{}, spread});
    cpu_simd::softmax_rows(x, 3, cols, 1.0f);
    for (std::size_t i = 0; i < x.size(); ++i) {
      REQUIRE(std::abs(x[i] - want[i]) <= 4e-6 * want[i] + 1e-38);
    }
  }
}

TEST_CASE("a call that cannot be served is answered with its reason, and nothing is written") {
  using enum AttentionStatus;
  struct Case {
    AttentionShape shape;
    float scale;
    std::size_t missing;  ///< elements that the output is short of
    AttentionStatus naive, flash2;
  };
  const std::size_t huge = std::size_t{1} << 40;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Case cases[] = {
      {{1, 2, 1, 3, 3, 64}, 1, 0, ok, ok},
      {{1, 2, 1, 0, 3, 64}, 1, 0, zero_size, zero_size},
      {{1, 2, 1, 3, 0, 64}, 1, 0, zero_size, zero_size},
      {{1, 2, 0, 3, 3, 64}, 1, 0, zero_size, zero_size},
      {{1, 2, 1, 3, 3, 0}, 1, 0, zero_size, zero_size},
      {{1, 3, 2, 3, 3, 64}, 1, 0, heads_not_divisible, heads_not_divisible},
      {{huge, huge, huge, huge, 3, 64}, 1, 0, size_overflow, size_overflow},
      {{1, 1, 1, huge, huge, 64}, 1, 0, size_overflow, size_overflow},
      {{1, 2, 1, 3, 3, 64}, 1, 1, size_mismatch, size_mismatch},
      {{1, 2, 1, 3, 3, 64}, nan, 0, scale_not_finite, scale_not_finite},
      {{1, 2, 1, 3, 3, 96}, 1, 0, ok, unsupported_head_dim},
      {{1, 2, 1, 3, 3, 63}, 1, 0, ok, unsupported_head_dim},
      {{1, 2, 1, 3, 3, 65}, 1, 0, ok, unsupported_head_dim},
      {{1, 2, 1, 3, 3, 256}, 1, 0, ok, unsupported_head_dim},
  };
  for (const Case& c : cases) {
    const bool small = c.shape.batch < huge && c.shape.seq_q < huge;
    const auto t = random_tensors<float>(small ? c.shape : AttentionShape{}, 1);
    AttentionCall call;
    call.shape = c.shape;
    call.scale = c.scale;
    for (std::size_t i = 0; i < 4; ++i) {
      std::vector<float> out(t.q.size() - c.missing, -7.0f);
      const AttentionStatus want = i % 2 == 0 ? c.naive : c.flash2;
      INFO(kKernels<float>[i].name << " expects " << to_string(want));
      CHECK(kKernels<float>[i].kernel(call, t.q, t.k, t.v, out) == want);
      if (want != ok) CHECK(std::ranges::all_of(out, [](float x) { return x == -7.0f; }));
    }
  }
  CHECK(std::string(to_string(unsupported_head_dim)) == "unsupported-head-dim");
}

TEST_CASE("16-bit values convert exactly, and back to the nearest") {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const auto code = static_cast<std::uint16_t>(bits);
    const double half = oracles::half_value(code), brain = oracles::bfloat_value(code);
    const float f = to_float(F16{code}), b = to_float(Bf16{code});
    REQUIRE(
        (std::isnan(half) ? std::isnan(f) : f == half && std::signbit(f) == std::signbit(half)));
    REQUIRE((std::isnan(brain) ? std::isnan(b) : b == brain));
    if (!std::isnan(f)) REQUIRE(from_float<F16>(f).bits == code);
    if (!std::isnan(b)) REQUIRE(from_float<Bf16>(b).bits == code);
    if (std::isnan(f)) REQUIRE(std::isnan(to_float(from_float<F16>(f))));
    if (std::isnan(b)) REQUIRE(std::isnan(to_float(from_float<Bf16>(b))));
  }
}

template <class T>
void check_rounding_between_neighbours(double (*value)(std::uint16_t), unsigned last_finite) {
  for (unsigned code = 0; code < last_finite; ++code) {
    const double low = value(static_cast<std::uint16_t>(code));
    const double high = value(static_cast<std::uint16_t>(code + 1));
    const float middle = static_cast<float>((low + high) / 2);  // exact: one bit more than T has
    REQUIRE(from_float<T>(middle).bits == code + (code & 1u));
    REQUIRE(from_float<T>(std::nextafterf(middle, 0.0f)).bits == code);
    REQUIRE(from_float<T>(std::nextafterf(middle, std::numeric_limits<float>::infinity())).bits ==
            code + 1);
    REQUIRE(from_float<T>(-middle).bits == (0x8000u | (code + (code & 1u))));
  }
}

TEST_CASE("rounding to 16 bits goes to the nearest and ties to even") {
  check_rounding_between_neighbours<F16>(oracles::half_value, 0x7BFF);
  check_rounding_between_neighbours<Bf16>(oracles::bfloat_value, 0x7F7E);
  CHECK(from_float<F16>(65519.99f).bits == 0x7BFF);
  CHECK(from_float<F16>(65520.0f).bits == 0x7C00);
  CHECK(from_float<F16>(-1e30f).bits == 0xFC00);
  CHECK(from_float<Bf16>(3.4e38f).bits == 0x7F80);
}

}  // namespace refute::kernels
