// The four forms against approved baselines. REFUTE_APPROVE=1 writes them anew; the difference is
// then reviewed.

#include "harness/pipeline/load/diagnostics.hpp"

#include <cstdlib>
#include <fstream>

#include "harness/catch.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/load/testing.hpp"

namespace refute::pipeline::testing {
namespace {

Diagnostic finding(std::string code, Severity severity, Span span, std::string message,
                   std::string help) {
  return {std::move(code),
          severity,
          "dir with blank/a,b:c-v1.yaml",
          span,
          "/falsification_tests/0/prediction",
          std::move(message),
          std::move(help)};
}

// By hand, not from the linter: the forms must not change when a rule does.
LoadResult sample() {
  LoadResult result;
  const std::string wide(150, 'w');
  result.sources = {{"dir with blank/a,b:c-v1.yaml",
                     "metadata:\n  grüße: \x1b[31mrot\n  tolerence: 0.1\n  long: " + wide +
                         " HERE " + wide + "\n"}};
  result.diagnostics = {
      finding("RF0114", Severity::error, Span{}, "the file as a whole", ""),
      finding("RF0202", Severity::warning, {2, 3, 2, 8}, "unknown key `grüße`",
              "100 % of it\nis ignored"),
      finding("RF0201", Severity::error, {3, 3, 3, 12}, "unknown key `tolerence`",
              "did you mean `tolerance`?"),
      finding("RF0203", Severity::info, {4, 160, 4, 164}, "far to the right", ""),
      finding("RF0105", Severity::error, {3, 14, 5, 1}, "over several lines", ""),
  };
  result.unreadable = {
      {"contracts/absent.yaml: there is no such file or folder", "check the path"}};
  return result;
}

void check_approved(const std::string& name, const std::string& text) {
  const std::string path = source_path("fixtures/sample_contracts/approved/" + name);
  if (std::getenv("REFUTE_APPROVE") != nullptr) std::ofstream(path, std::ios::binary) << text;
  INFO(path);
  CHECK(text == read_text(path));
}

TEST_CASE("text") {
  check_approved("findings.txt", render_text(sample(), {}));
}
TEST_CASE("text in colour") {
  check_approved("findings.color.txt", render_text(sample(), {.color = true, .strict = true}));
}
TEST_CASE("json") {
  check_approved("findings.json", render_json(sample(), {}));
}
TEST_CASE("github") {
  check_approved("findings.github.txt", render_github(sample()));
}

TEST_CASE("sarif") {
  const std::string text = render_sarif(sample());
  const Result<Value> log = json::parse(text);
  REQUIRE(static_cast<bool>(log));
  Value run = log->find("runs")->as_list()->front();
  // The rules table is as long as the code table; one rule shows its form.
  Value::List& rules =
      *run.as_map()->at(0).second.as_map()->at(0).second.as_map()->at(2).second.as_list();
  CHECK(rules.size() == kCodes.size());
  rules.resize(1);
  check_approved("findings.sarif", json::dump_pretty(run));
}

TEST_CASE("sarif results point into the rules table") {
  const Result<Value> log = json::parse(render_sarif(sample()));
  REQUIRE(static_cast<bool>(log));
  const Value& run = log->find("runs")->as_list()->front();
  const Value::List& rules = *run.find("tool")->find("driver")->find("rules")->as_list();
  for (const Value& result : *run.find("results")->as_list()) {
    const auto index = static_cast<std::size_t>(*result.find("ruleIndex")->as_int());
    CHECK(*rules.at(index).find("id") == *result.find("ruleId"));
  }
}

TEST_CASE("no control character of a file reaches a terminal") {
  const std::string text = render_text(sample(), {});
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("a message cannot start a workflow command of its own") {
  LoadResult result = sample();
  result.diagnostics[1].message = "one\n::error::two";
  const std::string text = render_github(result);
  CHECK(text.find("\n::error::two") == std::string::npos);
}

TEST_CASE("the last line counts") {
  CHECK(summary_line(sample()) ==
        "3 errors, 1 warning, 1 remark in 1 file; 1 path could not be read");
}

}  // namespace
}  // namespace refute::pipeline::testing
