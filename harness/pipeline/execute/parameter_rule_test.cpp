#include "harness/pipeline/execute/parameter_rule.hpp"

#include "harness/catch.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/execute/worker_info.hpp"

namespace refute::pipeline {
namespace {

/// What is said about `value` by the rule that this JSON text describes; empty: nothing.
std::string problem(const std::string& rule, const std::string& value) {
  const auto document = json::parse("{\"parameters\": {\"p\": " + rule + "}}");
  REQUIRE(document);
  Fields fields(*document);
  const auto rules = read_parameter_rules(fields);
  INFO(fields.problem());
  REQUIRE(fields.good());
  const auto found = problem_with(*json::parse(value), rules.at(0));
  return found ? found->what + "; " + found->help : "";
}

std::string misread(const std::string& parameters) {
  const auto document = json::parse("{\"parameters\": " + parameters + "}");
  REQUIRE(document);
  Fields fields(*document);
  read_parameter_rules(fields);
  return fields.problem();
}

const std::string kFormats = R"({"kind": "words", "words": ["e4m3", "e5m2"]})";
const std::string kCases = R"({"kind": "count", "least": 1, "most": 1000})";
const std::string kBand = R"({"kind": "band", "least": 0, "most": 1})";
const std::string kShapes = R"({"kind": "words", "pattern": "S[0-9]+", "example": "S64"})";

}  // namespace

TEST_CASE("A word that the falsifier does not know is refused with the one that was meant") {
  CHECK(problem(kFormats, R"(["e4m3"])") == "");
  CHECK(problem(kFormats, R"(["e4m3", "e5m"])") ==
        "`e5m` is none of its words; did you mean `e5m2`?");
  CHECK(problem(kFormats, R"(["q4"])") == "`q4` is none of its words; there are e4m3, e5m2");
  CHECK(problem(kFormats, R"([4])") == "4 is no word; there are e4m3, e5m2");
  CHECK(problem(kFormats, R"(["e4m3", "e4m3"])") == "\"e4m3\" stands there twice; name it once");
}

TEST_CASE("A list that is empty or is none would run nothing") {
  CHECK(problem(kFormats, "[]").find("nothing would be run") != std::string::npos);
  CHECK(problem(kFormats, R"("e4m3")") == "\"e4m3\" is no list; write [\"e4m3\"]");
  CHECK(problem(R"({"kind": "counts"})", "[17, 10, 17]") == "");
  CHECK(problem(R"({"kind": "counts"})", "[1, 2.5]") ==
        "2.5 is no whole number; write a whole number");
}

TEST_CASE("Numbers keep to their kind and their range") {
  CHECK(problem(kCases, "1000") == "");
  CHECK(problem(kCases, "1001") == "1001 is out of range; write a whole number from 1 to 1000");
  CHECK(problem(kCases, "0") != "");
  CHECK(problem(kCases, "1.5") != "");
  CHECK(problem(kCases, R"("300")") != "");
  CHECK(problem(R"({"kind": "real", "most": 1})", "2") ==
        "2 is out of range; write a number of at most 1");
  CHECK(problem(R"({"kind": "real"})", "1e308") == "");
}

TEST_CASE("A band goes upwards within its range") {
  CHECK(problem(kBand, "[0.1, 0.2]") == "");
  for (const char* wrong :
       {"[0.2, 0.1]", "[0.1, 0.1]", "[0.1]", "0.1", "[0.1, 1.5]", "[0.1, \"x\"]"}) {
    INFO(wrong);
    CHECK(problem(kBand, wrong) != "");
  }
  const std::string either = R"({"kind": "real_or_band", "least": 0, "most": 1})";
  CHECK(problem(either, "0.5") == "");
  CHECK(problem(either, "[0.1, 0.5]") == "");
  CHECK(problem(either, "[0.5, 0.1]") != "");
  CHECK(problem(either, "2") != "");
}

TEST_CASE("A pattern binds the whole word") {
  CHECK(problem(kShapes, R"(["S64"])") == "");
  CHECK(problem(kShapes, R"(["S64x"])") == "`S64x` is malformed; write one like `S64`");
  CHECK(problem(kShapes, "[\"S" + std::string(100000, '1') + "\"]") != "");
}

TEST_CASE("A worker's own mistakes in its rules are said, not guessed around") {
  CHECK(misread(R"({"p": {"kind": "number"}})").find("\"parameters/p/kind\"") != std::string::npos);
  CHECK(misread(R"({"p": {"kind": "word", "pattern": "("}})").find("regular expression") !=
        std::string::npos);
  CHECK(misread(R"({"p": {"kind": "word", "wrods": []}})") != "");
  CHECK(misread(R"({"p": {}})") != "");
  CHECK(misread("[]") != "");
}

}  // namespace refute::pipeline
