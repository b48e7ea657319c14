#include "harness/metrics/error.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "harness/catch.hpp"

using namespace refute::metrics;

namespace {

bool near(Metric metric, double expected) {
  return metric.defined() && std::fabs(metric.value() - expected) <= 1e-12 * std::fabs(expected);
}

std::vector<float> random_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& x : values) x = static_cast<float>(random()) * 0x1p-31f - 1.0f;
  return values;
}

}  // namespace

TEST_CASE("the metrics of a small pair are those worked out by hand") {
  const auto r =
      measure(std::vector<float>{3.0f, 0.0f, 4.0f}, std::vector<float>{0.0f, 0.0f, 4.0f});
  CHECK(near(r.relative_frobenius, 0.75));
  CHECK(near(r.rmse, std::sqrt(3.0)));
  CHECK(near(r.cosine, 0.8));
  CHECK(near(r.max_abs, 3.0));
  CHECK(r.max_abs_index == 0);
  CHECK(near(r.sqnr_db, 20 * std::log10(4.0 / 3.0)));
  CHECK(near(r.norm_ratio, 1.25));
}

TEST_CASE("a wrong scale is invisible to cosine and plain in the norm ratio") {
  const auto reference = random_values(1000, 1);
  auto got = reference;
  for (float& x : got) x *= 0.5f;
  const auto r = measure(got, reference);
  CHECK(near(r.cosine, 1.0));
  CHECK(near(r.norm_ratio, 0.5));
  CHECK(near(r.relative_frobenius, 0.5));
}

TEST_CASE("identical tensors, and identical zeros, are equal and not undefined") {
  for (const auto& x : {random_values(777, 2), std::vector<float>(64, 0.0f)}) {
    const auto r = measure(x, x);
    CHECK(r.relative_frobenius == Metric(0.0));
    CHECK(r.cosine == Metric(1.0));
    CHECK(r.norm_ratio == Metric(1.0));
    CHECK(r.max_abs == Metric(0.0));
    CHECK(r.sqnr_db == Metric(Undefined::no_error));
  }
  const auto signs = measure(std::vector<float>{-0.0f}, std::vector<float>{0.0f});
  CHECK(signs.cosine == Metric(1.0));
}

TEST_CASE("a reference of zeros that is not met has no relative error") {
  const auto r = measure(std::vector<float>{1.0f, 0.0f}, std::vector<float>{0.0f, 0.0f});
  CHECK(r.relative_frobenius == Metric(Undefined::zero_reference));
  CHECK(r.cosine == Metric(Undefined::zero_reference));
  CHECK(r.norm_ratio == Metric(Undefined::zero_reference));
  CHECK(r.sqnr_db == Metric(Undefined::zero_reference));
  CHECK(near(r.rmse, std::sqrt(0.5)));
  CHECK_FALSE(r.relative_frobenius.at_most(1e300));
}

TEST_CASE("nothing is measured where a value is not finite; the census says what and where") {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const bool in_got : {true, false}) {
      auto got = random_values(100, 3);
      auto reference = got;
      (in_got ? got : reference)[41] = bad;
      const auto r = measure(got, reference);
      for (const Metric& m :
           {r.relative_frobenius, r.rmse, r.cosine, r.max_abs, r.sqnr_db, r.norm_ratio}) {
        CHECK(m == Metric(Undefined::non_finite));
        CHECK_FALSE(m.at_most(std::numeric_limits<double>::infinity()));
        CHECK_FALSE(m.at_least(-std::numeric_limits<double>::infinity()));
      }
      CHECK((in_got ? r.got : r.reference).first == std::size_t{41});
      CHECK(r.mask_mismatch == std::size_t{41});
    }
  }
}

TEST_CASE("a metric that is NaN satisfies no condition") {
  const Metric nan(std::nan(""));
  CHECK_FALSE(nan.at_most(1));
  CHECK_FALSE(nan.at_least(0));
  CHECK_FALSE(nan.within(-1, 1));
}

TEST_CASE("no elements and unequal lengths are told apart") {
  CHECK(measure({}, {}).rmse == Metric(Undefined::empty));
  const std::vector<float> two(2), three(3);
  CHECK(measure(two, three).rmse == Metric(Undefined::size_mismatch));
  CHECK(measure(two, three).mask_mismatch == std::size_t{2});
  CHECK(measure({}, three).rmse == Metric(Undefined::size_mismatch));
}

TEST_CASE("the ends of the f32 range neither overflow nor vanish") {
  const float most = std::numeric_limits<float>::max();
  const auto large = measure(std::vector<float>(100, -most), std::vector<float>(100, most));
  CHECK(near(large.relative_frobenius, 2.0));
  CHECK(near(large.max_abs, 2.0 * double{most}));
  CHECK(near(large.cosine, -1.0));
  const auto small =
      measure(std::vector<float>(100, 0x1p-148f), std::vector<float>(100, 0x1p-149f));
  CHECK(near(small.relative_frobenius, 1.0));
  CHECK(near(small.norm_ratio, 2.0));
}

TEST_CASE("the first of equal largest errors is named, wherever it stands") {
  for (std::size_t at = 0; at < 20; ++at) {
    std::vector<float> got(20, 1.0f);
    const std::vector<float> reference(20, 1.0f);
    got[at] = 3.0f;
    got[19] = at == 19 ? 3.0f : -1.0f;
    CHECK(measure(got, reference).max_abs_index == at);
  }
}

TEST_CASE("sums have the stated order: eight lanes, then 4, 2, 1") {
  // In order of index 2^53 + 1 loses the one; in its own lane it survives until the huge pair has
  // cancelled.
  std::vector<float> got(16, 0.0f), reference(16, 0.0f);
  got[0] = 0x1p53f;
  reference[0] = 1.0f;
  got[4] = -0x1p53f;
  reference[4] = 1.0f;
  got[1] = 1.0f;
  reference[1] = 1.0f;
  const auto r = measure(got, reference);
  const double got2 = 0x1p107 + 1.0;
  CHECK(r.cosine == Metric(1.0 / std::sqrt(got2 * 3.0)));
}

TEST_CASE("a row that is gone shows in the worst row though the pooled error hides it") {
  auto reference = random_values(64 * 32, 4);
  for (std::size_t i = 32; i < 64; ++i) reference[i] *= 1e-3f;
  auto got = reference;
  for (std::size_t i = 32; i < 64; ++i) got[i] = 0.0f;
  CHECK(measure(got, reference).relative_frobenius.at_most(1e-3));
  const auto rows = worst_row(got, reference, 64, 32);
  CHECK(rows.groups == 64);
  CHECK(rows.worst_group == 1);
  CHECK(near(rows.worst, 1.0));
  CHECK(rows.best == Metric(0.0));
  CHECK(rows.best_group == 0);
  const auto blocks = worst_block(got, reference, 64, 32, 16);
  CHECK(blocks.groups == 128);
  CHECK(blocks.worst_group == 2);
}

TEST_CASE("groups that have no error say so instead of hiding among the others") {
  std::vector<float> reference(64, 1.0f), got(64, 1.0f);
  for (std::size_t i = 16; i < 32; ++i) reference[i] = 0.0f;
  const auto zero = worst_row(got, reference, 4, 16);
  CHECK(zero.worst == Metric(Undefined::zero_reference));
  CHECK(zero.worst_group == 1);
  got[50] = NAN;
  const auto nan = worst_row(got, std::vector<float>(64, 1.0f), 4, 16);
  CHECK(nan.worst == Metric(Undefined::non_finite));
  CHECK(nan.worst_group == 3);
  CHECK(worst_row(got, reference, 4, 17).worst == Metric(Undefined::size_mismatch));
  CHECK(worst_block(got, reference, 4, 16, 0).worst == Metric(Undefined::size_mismatch));
  CHECK(worst_row({}, {}, 0, 16).worst == Metric(Undefined::empty));
}

TEST_CASE("a row that no block size divides ends in a shorter block") {
  const std::vector<float> reference(2 * 10, 1.0f);
  auto got = reference;
  got[19] = 2.0f;
  const auto blocks = worst_block(got, reference, 2, 10, 4);
  CHECK(blocks.groups == 6);
  CHECK(blocks.worst_group == 5);
  CHECK(near(blocks.worst, std::sqrt(0.5)));
}

TEST_CASE("ulp distance counts the floats between, across zero and up to infinity") {
  CHECK(ulp_distance(1.0f, std::nextafter(1.0f, 2.0f)) == 1);
  CHECK(ulp_distance(0.0f, -0.0f) == 0);
  CHECK(ulp_distance(0x1p-149f, -0x1p-149f) == 2);
  CHECK(ulp_distance(std::numeric_limits<float>::max(), INFINITY) == 1);
  CHECK(ulp_distance(-INFINITY, INFINITY) == 2ull * 0x7F800000u);
  CHECK(ulp_distance(NAN, NAN) == kUlpNan);
  CHECK(ulp_distance(1.0f, NAN) == kUlpNan);
}
