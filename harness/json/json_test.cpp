#include "harness/json/json.hpp"

#include <limits>
#include <string>

#include "harness/catch.hpp"

using refute::Value;
namespace json = refute::json;

TEST_CASE("a document survives a round trip with its order and its types") {
  const std::string text =
      R"({"z":1,"a":[true,null,-7,1.5,1.0,"\u00e9\n"],"m":{"deep":{"er":[]}},"e":{}})";
  auto v = json::parse(text);
  REQUIRE(v);
  CHECK(json::dump(*v) ==
        R"({"z":1,"a":[true,null,-7,1.5,1.0,"é\n"],"m":{"deep":{"er":[]}},"e":{}})");
  CHECK(*json::parse(json::dump_pretty(*v)) == *v);
  CHECK(v->find("a")->as_list()->at(4).as_double() != nullptr);
}

TEST_CASE("numbers keep their exact value") {
  CHECK(*json::parse("9223372036854775807")->as_int() == std::numeric_limits<std::int64_t>::max());
  CHECK(*json::parse("18446744073709551615")->as_string() == "18446744073709551615");
  CHECK(*json::parse("0.1")->as_double() == 0.1);
  CHECK(json::dump(Value(0.1)) == "0.1");
  CHECK(json::dump(Value(-0.0)) == "-0.0");
}

TEST_CASE("non-finite numbers are written by name, because null would lose which it was") {
  CHECK(json::dump(Value(std::numeric_limits<double>::quiet_NaN())) == "\"nan\"");
  CHECK(json::dump(Value(-std::numeric_limits<double>::infinity())) == "\"-inf\"");
}

TEST_CASE("what a lenient reader would swallow is refused, with its place") {
  const auto error = [](std::string_view text) { return json::parse(text).error().what; };
  CHECK(error(R"({"a":1,"a":2})").find("\"a\" stands twice") != std::string::npos);
  CHECK(error("{\"a\":1}\n}").find("line 2") != std::string::npos);
  CHECK(error("\"\xff\"").find("UTF-8") != std::string::npos);
  CHECK_FALSE(json::parse("1e999"));
  CHECK_FALSE(json::parse(""));
  CHECK_FALSE(json::parse("[1,]"));
  CHECK_FALSE(json::parse("NaN"));
}

TEST_CASE("bounds hold while reading") {
  CHECK_FALSE(json::parse(std::string(100, '[') + std::string(100, ']')));
  CHECK(json::parse(std::string(64, '[') + std::string(64, ']')));
  CHECK_FALSE(json::parse(std::string(65, '[') + std::string(65, ']')));
  CHECK_FALSE(json::parse("[1,2,3]", {.bytes = 100, .depth = 4, .nodes = 3}));
  CHECK(json::parse("[1,2]", {.bytes = 100, .depth = 4, .nodes = 3}));
  CHECK_FALSE(json::parse("[1,2]", {.bytes = 4, .depth = 4, .nodes = 3}));
}

TEST_CASE("strings that are no UTF-8 are written with a replacement, not thrown") {
  CHECK(json::dump(Value(std::string("a\xff"))) == "\"a\xEF\xBF\xBD\"");
}
