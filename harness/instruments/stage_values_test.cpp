#include "harness/instruments/stage_values.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "harness/catch.hpp"

namespace {

using namespace refute::instruments;
using refute::metrics::Undefined;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> random_values(std::size_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(static_cast<std::int32_t>(engine())) * 0x1p-30f;
  return values;
}

std::vector<float> nudged(std::vector<float> values, std::uint32_t seed) {
  std::mt19937 engine(seed);
  for (float& v : values)
    v *= 1 + static_cast<float>(static_cast<std::int32_t>(engine())) * 0x1p-41f;
  return values;
}

bool close(double got, double want) {
  return std::fabs(got - want) <= 2e-7 * std::fabs(want);
}

}  // namespace

TEST_CASE("the numbers are those of their definitions, on any number of threads") {
  const std::size_t count = GENERATE(1, 7, 4096, 65536, 200'001);
  CAPTURE(count);
  const auto a = random_values(count, 1), b = nudged(a, 2);
  double d2 = 0, a2 = 0, b2 = 0, ab = 0, worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double d = double{b[i]} - double{a[i]};
    d2 += d * d;
    a2 += double{a[i]} * a[i];
    b2 += double{b[i]} * b[i];
    ab += double{a[i]} * b[i];
    if (std::fabs(d) > worst) {
      worst = std::fabs(d);
      at = i;
    }
  }
  const StageValues one = compare_values(a, b, {.threads = 1});
  CHECK(one.max_abs.value() == worst);
  CHECK(one.max_abs_index == at);
  CHECK(close(one.rmse.value(), std::sqrt(d2 / static_cast<double>(count))));
  CHECK(close(one.relative_error.value(), std::sqrt(d2 / a2)));
  CHECK(close(one.norm_ratio.value(), std::sqrt(b2 / a2)));
  CHECK(close(one.cosine.value(), ab / std::sqrt(a2 * b2)));
  CHECK(close(one.rms_a.value(), std::sqrt(a2 / static_cast<double>(count))));
  for (const unsigned threads : {2u, 5u}) {
    const StageValues more = compare_values(a, b, {.threads = threads});
    CHECK(more.rmse == one.rmse);
    CHECK(more.cosine == one.cosine);
    CHECK(more.norm_ratio == one.norm_ratio);
    CHECK(more.top == one.top);
  }
}

TEST_CASE("the furthest places come first, and of equal ones the earlier") {
  std::vector<float> a(300'000, 1.0f), b = a;
  for (const std::size_t i : {17u, 70'000u, 140'000u, 299'999u}) b[i] = 3.0f;
  b[200'000] = 4.0f;
  b[5] = 2.0f;
  const StageValues v = compare_values(a, b, {.top = 4, .threads = 2});
  REQUIRE(v.top.size() == 4);
  CHECK(v.top[0] == ValuePlace{200'000, 1.0f, 4.0f});
  CHECK(v.top[1].index == 17);
  CHECK(v.top[2].index == 70'000);
  CHECK(v.top[3].index == 140'000);
  CHECK(v.max_abs.value() == 3.0);
  CHECK(compare_values(a, b, {.top = 100}).top.size() == 6);
  const StageValues none = compare_values(a, b, {.top = 0});
  CHECK(none.top.empty());
  CHECK(none.max_abs_index == 200'000);
}

TEST_CASE("values that are not finite are counted on either side, and leave no metric") {
  std::vector<float> a = random_values(100'000, 3), b = a;
  a[70'000] = kNan;
  b[70'000] = kNan;
  SECTION("on both sides, with the same bits") {
    const StageValues v = compare_values(a, b, {});
    CHECK(v.identical);
    CHECK(v.a.nan == 1);
    CHECK(v.b.first == std::optional<std::size_t>(70'000));
    CHECK_FALSE(v.mask_mismatch);
    CHECK(v.cosine.reason() == Undefined::non_finite);
    CHECK(judge_values(v, a, {}).verdict == StageVerdict::non_finite);
  }
  SECTION("on one side") {
    b[70'000] = 1;
    b[3] = -kInf;
    const StageValues v = compare_values(a, b, {.threads = 2});
    CHECK(v.non_finite() == 2);
    CHECK(v.b.negative_infinity == 1);
    CHECK(v.b.first == std::optional<std::size_t>(3));
    CHECK(v.mask_mismatch == std::optional<std::size_t>(3));
    CHECK(v.top[0].index == 3);
    const auto judged = judge_values(v, a, {.max_abs = 1e30, .relative = {}});
    CHECK(judged.verdict == StageVerdict::non_finite);
    CHECK(judged.because.find("1 -Inf") != std::string::npos);
  }
}

TEST_CASE("differences beyond f32 are no infinity") {
  const std::vector<float> a = {3e38f, 1.0f}, b = {-3e38f, 1.0f};
  const StageValues v = compare_values(a, b, {});
  CHECK(v.non_finite() == 0);
  CHECK(v.max_abs.value() == double{3e38f} * 2);
  CHECK(close(v.relative_error.value(), 2));
  CHECK(close(v.cosine.value(), -1));
}

TEST_CASE("zeros") {
  const std::vector<float> zeros(5, 0.0f), minus(5, -0.0f), ones(5, 1.0f);
  CHECK(compare_values(zeros, zeros, {}).identical);
  CHECK(compare_values(zeros, zeros, {}).cosine.value() == 1);
  const StageValues signs = compare_values(zeros, minus, {});
  CHECK_FALSE(signs.identical);
  CHECK(signs.max_abs.value() == 0);
  CHECK(judge_values(signs, zeros, {.max_abs = 0, .relative = 0}).verdict == StageVerdict::within);
  const StageValues gone = compare_values(zeros, ones, {});
  CHECK(gone.relative_error.reason() == Undefined::zero_reference);
  CHECK(judge_values(gone, zeros, {.max_abs = {}, .relative = 0.5}).verdict == StageVerdict::above);
  CHECK(compare_values(ones, zeros, {}).norm_ratio.value() == 0);
}

TEST_CASE("a row that is gone shows where the whole hides it") {
  std::vector<float> a = random_values(64 * 1000, 4), b = a;
  std::fill_n(b.begin() + 64 * 700, 64, 0.0f);
  const StageValues v = compare_values(a, b, {.row = 64, .threads = 2});
  CHECK(v.relative_error.value() < 0.05);
  CHECK(v.worst_row.row == 700);
  CHECK(v.worst_row.relative_error.value() == 1);
  const auto judged = judge_values(v, a, {.max_abs = {}, .relative = 0.05});
  CHECK(judged.verdict == StageVerdict::above);
  CHECK(judged.because.find("row 700") != std::string::npos);
  std::fill_n(a.begin() + 64 * 3, 64, 0.0f);
  CHECK(compare_values(a, b, {.row = 64}).worst_row.row == 3);
}

TEST_CASE("a row is the innermost extent, unless that is short") {
  CHECK(row_length({7, 4096}) == 4096);
  CHECK(row_length({7, 4, 16}) == 64);
  CHECK(row_length({7, 3}) == 21);
  CHECK(row_length({}) == 1);
}

TEST_CASE("verdicts") {
  const std::vector<float> a = {1, -2, 4}, b = {1, -2, 4.5};
  const StageValues v = compare_values(a, b, {});
  const auto verdict = [&](std::optional<double> max_abs, std::optional<double> relative) {
    return judge_values(v, a, {max_abs, relative}).verdict;
  };
  CHECK(verdict({}, {}) == StageVerdict::not_judged);
  CHECK(verdict(0.5, {}) == StageVerdict::within);
  CHECK(verdict(0.49, {}) == StageVerdict::above);
  CHECK(verdict({}, 0.2) == StageVerdict::within);
  CHECK(verdict({}, 0.1) == StageVerdict::above);
  CHECK(verdict(0.5, 0.1) == StageVerdict::above);
  CHECK(verdict(4, {}) == StageVerdict::no_power);  // zeros would be 4 away
  CHECK(verdict({}, 1) == StageVerdict::no_power);
  CHECK(verdict(4, 0.2) == StageVerdict::within);  // which zeros would not meet
  CHECK(judge_values(compare_values(a, a, {}), a, {}).verdict == StageVerdict::identical);
}
