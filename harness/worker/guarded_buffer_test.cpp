#include "harness/worker/guarded_buffer.hpp"

#include <cmath>

#include "harness/catch.hpp"

using refute::worker::first_violation;
using refute::worker::GuardedOutput;
using refute::worker::WatchedInput;

TEST_CASE("A buffer that nobody writes outside of is whole") {
  GuardedOutput<float> out("out", 3);
  for (float& x : out.span()) x = 1.0f;
  CHECK_FALSE(out.violation());
}

TEST_CASE("One byte before and one byte behind are found, with their offset") {
  for (std::size_t count : {0u, 1u, 7u, 64u, 1000u}) {
    GuardedOutput<std::uint8_t> before("codes", count), behind("codes", count);
    before.span().data()[-1] = 0;
    REQUIRE(before.violation());
    CHECK(before.violation()->offset == -1);
    behind.span().data()[count] = 0;
    REQUIRE(behind.violation());
    CHECK(behind.violation()->offset == static_cast<std::int64_t>(count));
    CHECK(behind.violation()->buffer == "codes");
  }
}

TEST_CASE("A float too many and a far write inside the band are found") {
  GuardedOutput<float> out("scales", 5);
  out.span().data()[5] = 2.0f;
  CHECK(out.violation()->offset == 20);
  GuardedOutput<std::uint8_t> far("codes", 10);
  far.span().data()[10 + 63] = 1;
  CHECK(far.violation()->offset == 73);
}

TEST_CASE("Elements start poisoned, and again after a reset") {
  GuardedOutput<float> floats("f", 4);
  GuardedOutput<std::uint16_t> words("w", 4);
  for (float x : floats.span()) CHECK(std::isnan(x));
  for (std::uint16_t x : words.span()) CHECK(x == 0xa5a5);
  floats.span()[0] = 1.0f;
  floats.span().data()[4] = 1.0f;
  floats.reset(6);
  for (float x : floats.span()) CHECK(std::isnan(x));
  CHECK_FALSE(floats.violation());
}

TEST_CASE("An input that changes is located") {
  std::vector<float> data = {1.0f, 2.0f, 3.0f};
  WatchedInput<float> watched("w", data);
  CHECK_FALSE(watched.violation());
  data[2] = -3.0f;
  REQUIRE(watched.violation());
  CHECK(watched.violation()->offset == 11);
  GuardedOutput<float> fine("fine", 2);
  CHECK(first_violation(fine, watched)->buffer == "w");
}
