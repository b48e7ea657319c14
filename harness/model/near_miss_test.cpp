#include "harness/model/near_miss.hpp"

#include "harness/catch.hpp"

using refute::near_miss;

TEST_CASE("the near miss is named, and nothing else is") {
  const std::vector<std::string> keys = {"invariants", "formula", "domain", "id"};
  CHECK(near_miss("invarients", keys) == "invariants");
  CHECK(near_miss("formul", keys) == "formula");
  CHECK(near_miss("domian", keys) == "domain");
  CHECK(near_miss("colour", keys).empty());
  CHECK(near_miss("", keys).empty());
  CHECK(near_miss("x", {}).empty());
}

TEST_CASE("of two near names the nearer wins, of two equally near the first") {
  CHECK(near_miss("run1", {"run22", "run2"}) == "run2");
  CHECK(near_miss("run1", {"run3", "run2"}) == "run3");
}

TEST_CASE("a word of a megabyte costs nothing") {
  CHECK(near_miss(std::string(1 << 20, 'a'), {std::string(1 << 20, 'b')}).empty());
}
