#include "harness/model/value.hpp"

#include "harness/catch.hpp"

using refute::Value;

TEST_CASE("a wrong type is null, never a default value") {
  CHECK(Value(1).as_double() == nullptr);
  CHECK(Value("1").as_int() == nullptr);
  CHECK(Value(true).as_int() == nullptr);
  CHECK(Value().as_map() == nullptr);
  CHECK(Value(1).find("x") == nullptr);
}

TEST_CASE("members keep their order and are replaced in place") {
  Value v;
  v.set("b", 1);
  v.set("a", 2);
  v.set("b", 3);
  REQUIRE(v.as_map()->size() == 2);
  CHECK(v.as_map()->front().first == "b");
  CHECK(*v.find("b")->as_int() == 3);
  CHECK(v.find("c") == nullptr);
}

TEST_CASE("an integer beyond int64 is kept as text, not wrapped") {
  CHECK(*Value(std::uint64_t{18446744073709551615u}).as_string() == "18446744073709551615");
  CHECK(*Value(std::uint64_t{9223372036854775807u}).as_int() == 9223372036854775807);
}
