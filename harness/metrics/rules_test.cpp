#include "harness/metrics/rules.hpp"

#include <cmath>
#include <random>
#include <vector>

#include "harness/catch.hpp"

using namespace refute::metrics;

namespace {

/// Exact values and the same rounded to f32 in the ordinary way.
struct Pair {
  std::vector<double> reference;
  std::vector<float> got;
};

Pair rounded(std::size_t count, unsigned seed = 1) {
  std::mt19937_64 random(seed);
  Pair p;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(random() >> 11) * 0x1p-52 - 1.0;
    p.reference.push_back(x);
    p.got.push_back(static_cast<float>(x));
  }
  return p;
}

constexpr ComponentwiseBound kRounding = {.u_out = 0x1p-24};
constexpr SignBias kSignBias = {.deviations = 6, .drift = 0.03, .least = 64};
constexpr RowRule kRows = {
    .rms_factor = 2, .max_factor = 3, .floor_factor = 4, .u_out = 0x1p-24, .floor_share = 1e-3};
constexpr Closeness kClose = {.atol = 1e-6, .rtol = 1e-5, .atol_share = 0.1};

}  // namespace

TEST_CASE("the componentwise bound is the sum of its three parts") {
  const ComponentwiseBound b{
      .u_out = 1, .u_acc = 2, .u_mid = 4, .lambda = 3, .lambda_mid = 5, .terms = 16};
  CHECK(b.at(-7, 10) == 7 + 3 * 2 * 4 * 10 + 5 * 4 * 10);
}

TEST_CASE("rounding once stays inside the componentwise bound and one unit more does not") {
  auto p = rounded(1000);
  const std::vector<double> norm(1000, 1.0);
  CHECK(check_componentwise(p.got, p.reference, norm, kRounding).verdict == RuleVerdict::holds);
  p.got[123] = std::nextafter(std::nextafter(p.got[123], 9.0f), 9.0f);
  const auto r = check_componentwise(p.got, p.reference, norm, kRounding);
  CHECK(r.verdict == RuleVerdict::violated);
  CHECK(r.index == 123);
  CHECK(r.violations == 1);
  CHECK(r.error > r.limit);
}

TEST_CASE("a NaN or an infinity in the result violates the componentwise bound at its index") {
  const std::vector<double> norm(100, 1.0);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    auto p = rounded(100);
    p.got[7] = bad;
    const auto r = check_componentwise(p.got, p.reference, norm, kRounding);
    CHECK(r.verdict == RuleVerdict::violated);
    CHECK(r.index == 7);
  }
}

TEST_CASE("a reference that is not finite, or nothing at all, gives the bound no power") {
  auto p = rounded(100);
  std::vector<double> norm(100, 1.0);
  p.reference[3] = NAN;
  CHECK(check_componentwise(p.got, p.reference, norm, kRounding).verdict == RuleVerdict::no_power);
  p.reference[3] = 0;
  norm[5] = INFINITY;
  CHECK(check_componentwise(p.got, p.reference, norm, kRounding).verdict == RuleVerdict::no_power);
  CHECK(check_componentwise({}, {}, {}, kRounding).verdict == RuleVerdict::no_power);
  CHECK(check_componentwise(p.got, p.reference, {}, kRounding).verdict == RuleVerdict::violated);
}

TEST_CASE("the sign test passes rounding, and refutes truncation and a factor of 1.01") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    auto p = rounded(512, seed);
    CHECK(check_sign_bias(p.got, p.reference, kSignBias).verdict == RuleVerdict::holds);
    for (std::size_t i = 0; i < p.got.size(); ++i) {
      if (std::fabs(p.got[i]) > std::fabs(p.reference[i]))
        p.got[i] = std::nextafter(p.got[i], 0.0f);
    }
    CHECK(check_sign_bias(p.got, p.reference, kSignBias).verdict == RuleVerdict::violated);
    for (std::size_t i = 0; i < p.got.size(); ++i)
      p.got[i] = static_cast<float>(p.reference[i] * 1.01);
    CHECK(check_sign_bias(p.got, p.reference, kSignBias).verdict == RuleVerdict::violated);
  }
}

TEST_CASE(
    "the sign test has no power below its least number of errors, nor where its limit cannot be "
    "exceeded") {
  const auto few = rounded(63);
  CHECK(check_sign_bias(few.got, few.reference, kSignBias).verdict == RuleVerdict::no_power);
  CHECK(check_sign_bias(few.got, few.reference, kSignBias).index == 63);
  const auto many = rounded(1000);
  CHECK(check_sign_bias(many.got, many.reference, {.deviations = 6, .drift = 1}).verdict ==
        RuleVerdict::no_power);
  const std::vector<float> same(100, 0.5f);
  CHECK(check_sign_bias(same, std::vector<double>(100, 0.5), kSignBias).verdict ==
        RuleVerdict::no_power);
}

TEST_CASE("the sign test fails a NaN at its index") {
  auto p = rounded(100);
  p.got[50] = NAN;
  const auto r = check_sign_bias(p.got, p.reference, kSignBias);
  CHECK(r.verdict == RuleVerdict::violated);
  CHECK(r.index == 50);
}

TEST_CASE("one bad row among many fails the row rule, with its index") {
  auto p = rounded(32 * 64);
  const auto baseline = p.got;
  CHECK(check_rows(p.got, baseline, p.reference, 32, 64, kRows).verdict == RuleVerdict::holds);
  for (std::size_t i = 9 * 64; i < 10 * 64; ++i) p.got[i] *= 1.000001f;
  const auto r = check_rows(p.got, baseline, p.reference, 32, 64, kRows);
  CHECK(r.verdict == RuleVerdict::violated);
  CHECK(r.index == 9);
  CHECK(r.violations == 1);
}

TEST_CASE(
    "a baseline that happens to be exact does not refuse a correct kernel: there is a floor") {
  auto p = rounded(4 * 64);
  std::vector<double> exact(p.got.begin(), p.got.end());
  auto got = p.got;
  got[0] = std::nextafter(got[0], 2.0f);
  CHECK(check_rows(got, p.got, exact, 4, 64, kRows).verdict == RuleVerdict::holds);
  got[0] += 1e-4f;
  CHECK(check_rows(got, p.got, exact, 4, 64, kRows).verdict == RuleVerdict::violated);
}

TEST_CASE("the row rule fails a NaN early in a row that goes on with good numbers") {
  auto p = rounded(2 * 64);
  const auto baseline = p.got;
  p.got[64] = NAN;
  const auto r = check_rows(p.got, baseline, p.reference, 2, 64, kRows);
  CHECK(r.verdict == RuleVerdict::violated);
  CHECK(r.index == 1);
  CHECK(check_rows(baseline, p.got, p.reference, 2, 64, kRows).verdict == RuleVerdict::no_power);
  CHECK(check_rows(baseline, baseline, p.reference, 3, 64, kRows).verdict == RuleVerdict::violated);
}

TEST_CASE("closeness adds its two tolerances and meets NaN and infinity by kind") {
  const std::vector<float> reference = {1.0f, -2.0f, INFINITY, 4.0f};
  CHECK(
      check_close(std::vector<float>{1.00001f, -2.0f, INFINITY, 4.0f}, reference, kClose).verdict ==
      RuleVerdict::holds);
  const auto off =
      check_close(std::vector<float>{1.0f, -2.0f, INFINITY, 4.001f}, reference, kClose);
  CHECK(off.verdict == RuleVerdict::violated);
  CHECK(off.index == 3);
  CHECK(check_close(std::vector<float>{1.0f, NAN, INFINITY, 4.0f}, reference, kClose).index == 1);
  CHECK(check_close(std::vector<float>{1.0f, -2.0f, -INFINITY, 4.0f}, reference, kClose).index ==
        2);
  CHECK(check_close(std::vector<float>{1.0f}, reference, kClose).verdict == RuleVerdict::violated);
}

TEST_CASE(
    "closeness has no power where its absolute part swallows the reference, nor against NaN or "
    "nothing") {
  const std::vector<float> small(10, 1e-6f), zero(10, 0.0f), nan(10, NAN), inf(10, INFINITY);
  CHECK(check_close(zero, small, kClose).verdict == RuleVerdict::no_power);
  CHECK(check_close(zero, zero, kClose).verdict == RuleVerdict::no_power);
  CHECK(check_close(nan, nan, kClose).verdict == RuleVerdict::no_power);
  CHECK(check_close(inf, inf, kClose).verdict == RuleVerdict::no_power);
  CHECK(check_close({}, {}, kClose).verdict == RuleVerdict::no_power);
}
