#include "harness/metrics/census.hpp"

#include <bit>
#include <cmath>
#include <vector>

#include "harness/catch.hpp"

using namespace refute::metrics;

TEST_CASE(
    "every kind of value is counted as what it is, and the first that is not finite is named") {
  const float payload_nan = std::bit_cast<float>(0xFF800001u);
  const std::vector<float> values = {1.0f,      -0.0f,       0x1p-149f, INFINITY, NAN,
                                     -INFINITY, payload_nan, 3e38f,     INFINITY};
  const Census found = census(values);
  CHECK(found.nan == 2);
  CHECK(found.positive_infinity == 2);
  CHECK(found.negative_infinity == 1);
  CHECK(found.first == std::size_t{3});
  CHECK_FALSE(found.all_finite());
}

TEST_CASE("the largest finite values, subnormals and both zeros are finite; so is nothing at all") {
  CHECK(census(std::vector<float>{3.4028235e38f, -3.4028235e38f, 0x1p-149f, 0.0f, -0.0f}) ==
        Census{});
  CHECK(census({}).all_finite());
}

TEST_CASE("a non-finite value is found at every place of a long tensor") {
  for (std::size_t at = 0; at < 70; ++at) {
    std::vector<float> values(70, 1.0f);
    values[at] = -INFINITY;
    CHECK(census(values).first == at);
  }
}

TEST_CASE("masks differ where the kinds of the two sides differ") {
  const std::vector<float> a = {1.0f, NAN, INFINITY, -INFINITY};
  CHECK_FALSE(
      first_mask_mismatch(a, std::vector<float>{9.0f, -NAN, INFINITY, -INFINITY}).has_value());
  CHECK(first_mask_mismatch(a, std::vector<float>{9.0f, 1.0f, INFINITY, -INFINITY}) ==
        std::size_t{1});
  CHECK(first_mask_mismatch(a, std::vector<float>{9.0f, NAN, -INFINITY, -INFINITY}) ==
        std::size_t{2});
  CHECK(first_mask_mismatch(a, std::vector<float>{NAN, NAN, INFINITY, -INFINITY}) ==
        std::size_t{0});
  CHECK(first_mask_mismatch(a, std::vector<float>{9.0f, NAN}) == std::size_t{2});
}
