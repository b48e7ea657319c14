#include "harness/worker/compare.hpp"

#include <bit>
#include <limits>
#include <vector>

#include "harness/catch.hpp"

using refute::worker::Comparator;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

bool within(Comparator& c, float got, double want, double bound) {
  return c.within(std::vector<float>{got}, std::vector<double>{want}, std::vector<double>{bound});
}

}  // namespace

TEST_CASE("bytes name the first element that differs") {
  Comparator c;
  const std::vector<std::uint8_t> want = {1, 2, 3, 4}, got = {1, 2, 7, 9};
  CHECK(c.bytes(want, want));
  CHECK_FALSE(c.bytes(got, want));
  REQUIRE(c.mismatch());
  CHECK(c.mismatch()->index == 2);
  CHECK(c.mismatch()->got == "0x07");
  CHECK(c.mismatch()->want == "0x03");
  CHECK(c.comparisons() == 8);
}

TEST_CASE("Zeros of different sign and NaNs of different payload are different bits") {
  Comparator c;
  CHECK_FALSE(c.bits(std::vector{0.0f}, std::vector{-0.0f}));
  const float other = std::bit_cast<float>(0x7fc00001u);
  CHECK(c.bits(std::vector{kNan}, std::vector{kNan}));
  CHECK_FALSE(c.bits(std::vector{other}, std::vector{kNan}));
  CHECK(c.bits_nan_by_class(std::vector{other}, std::vector{kNan}));
  CHECK_FALSE(c.bits_nan_by_class(std::vector{-kNan}, std::vector{kNan}));
}

TEST_CASE("NaN is within no bound, infinity only equals itself") {
  Comparator c;
  CHECK_FALSE(within(c, kNan, 1.0, 1e30));
  CHECK_FALSE(within(c, 1.0f, kNan, 1e30));
  CHECK_FALSE(within(c, kNan, kNan, 1e30));
  CHECK_FALSE(within(c, 1.0f, 1.0, kNan));
  CHECK(within(c, kInf, kInf, 0.0));
  CHECK_FALSE(within(c, kInf, -kInf, 1e30));
  CHECK_FALSE(within(c, std::numeric_limits<float>::max(), kInf, kInf));
}

TEST_CASE("A bound holds at its edge and not beyond it, also among subnormals") {
  Comparator c;
  CHECK(within(c, 1.25f, 1.0, 0.25));
  CHECK_FALSE(within(c, 1.2500001f, 1.0, 0.25));
  const float tiny = std::numeric_limits<float>::denorm_min();
  CHECK(within(c, tiny, 0.0, tiny));
  CHECK_FALSE(within(c, 2 * tiny, 0.0, tiny));
}

TEST_CASE("The worst element is told beside the first") {
  Comparator c;
  const std::vector<float> got = {1.0f, 2.5f, 9.0f};
  CHECK_FALSE(c.within(got, std::vector{1.0, 2.0, 3.0}, std::vector{0.1, 0.1, 0.1}));
  CHECK(c.mismatch()->index == 1);
  CHECK(c.mismatch()->detail.find("element 2 at 60") != std::string::npos);
}

TEST_CASE("A band has two sides and no room for NaN") {
  Comparator c;
  CHECK(c.in_band(0.02, 0.018, 0.036, "error"));
  CHECK_FALSE(c.in_band(0.017, 0.018, 0.036, "error"));
  CHECK_FALSE(c.in_band(0.037, 0.018, 0.036, "error"));
  CHECK_FALSE(c.in_band(kNan, 0.018, 0.036, "error"));
  CHECK_FALSE(c.at_most(kNan, 1.0, "error"));
  CHECK_FALSE(c.at_least(kNan, 1.0, "error"));
}

TEST_CASE("Negation turns every comparison of elements round") {
  Comparator c(true);
  const std::vector<std::uint8_t> bytes = {1, 2};
  const std::vector<float> floats = {1.0f, 2.0f};
  CHECK_FALSE(c.bytes(bytes, bytes));
  CHECK(c.mismatch()->index == 0);
  CHECK_FALSE(c.bits(floats, floats));
  CHECK_FALSE(c.bits_nan_by_class(floats, floats));
  CHECK_FALSE(within(c, 1.0f, 1.0, 0.5));
  CHECK(within(c, 9.0f, 1.0, 0.5));
  CHECK_FALSE(c.in_band(2, 1, 3, "x"));
  CHECK_FALSE(c.at_most(1, 3, "x"));
  CHECK_FALSE(c.at_least(3, 1, "x"));
  CHECK_FALSE(c.equal(1, 1, "x"));
  CHECK_FALSE(c.holds(true, "x"));
  CHECK(c.comparisons() == 2 + 2 + 2 + 1 + 1 + 5);
}

TEST_CASE("Spans of different length pass in neither arm, and nothing compared counts nothing") {
  for (bool negated : {false, true}) {
    Comparator c(negated);
    CHECK_FALSE(c.bytes(std::vector<std::uint8_t>{1}, std::vector<std::uint8_t>{1, 2}));
    CHECK_FALSE(c.bits(std::vector<float>{1}, std::vector<float>{}));
  }
  Comparator c;
  CHECK(c.bytes({}, {}));
  CHECK(c.comparisons() == 0);
}

TEST_CASE("ULP distance crosses zero and stops at infinity") {
  using refute::worker::ulp_distance;
  CHECK(ulp_distance(0.0f, -0.0f) == 0);
  const float tiny = std::numeric_limits<float>::denorm_min();
  CHECK(ulp_distance(tiny, -tiny) == 2);
  CHECK(ulp_distance(1.0f, std::nextafterf(1.0f, 2.0f)) == 1);
  CHECK(ulp_distance(std::numeric_limits<float>::max(), kInf) ==
        std::numeric_limits<std::uint64_t>::max());
  CHECK(ulp_distance(kNan, 1.0f) == std::numeric_limits<std::uint64_t>::max());
}
