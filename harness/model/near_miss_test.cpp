#include "harness/model/near_miss.hpp"

#include <array>

#include "harness/catch.hpp"

using namespace refute;

TEST_CASE("the near miss is named, and nothing else is") {
  const std::vector<std::string> keys = {"invariants", "formula", "domain", "id"};
  CHECK(near_miss("invarients", keys) == "invariants");
  CHECK(near_miss("formul", keys) == "formula");
  CHECK(near_miss("domian", keys) == "domain");
  CHECK(near_miss("Formula", keys) == "formula");
  CHECK(near_miss("colour", keys).empty());
  CHECK(near_miss("", keys).empty());
  CHECK(near_miss("x", {"y"}).empty());
  CHECK(near_miss("x", std::vector<std::string>{}).empty());
}

TEST_CASE("a word that is judged by its nearness must be nearer") {
  constexpr auto kWords = std::to_array<std::string_view>(
      {"tolerance", "invariants", "formal", "safety", "id", "rule"});
  const auto meant = [&](std::string_view word) {
    return near_miss(word, kWords, Nearness::surely_meant);
  };
  CHECK(meant("tolerence") == "tolerance");
  CHECK(meant("invarients") == "invariants");
  CHECK(meant("formall") == "formal");
  CHECK(meant("rul") == "rule");
  CHECK(meant("ix").empty());
  CHECK(meant("mascot").empty());
  CHECK(meant("sanity").empty());
  CHECK(near_miss("sanity", kWords) == "safety");
}

TEST_CASE("of two near names the nearer wins, of two equally near the first") {
  CHECK(near_miss("run1", {"run22", "run2"}) == "run2");
  CHECK(near_miss("run1", {"run3", "run2"}) == "run3");
}

TEST_CASE("edits are counted, a swap of neighbours as one") {
  CHECK(edit_distance("ab", "ba") == 1);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("same", "same") == 0);
}

TEST_CASE("a word of a megabyte costs nothing") {
  const std::string huge(1 << 20, 'a');
  CHECK(near_miss(huge, {huge}).empty());
  CHECK(near_miss("aaaa", {huge}).empty());
}

TEST_CASE("without a suggestion there is no question") {
  CHECK(did_you_mean("rule") == "did you mean `rule`?");
  CHECK(did_you_mean("").empty());
}
