// The small parts, at both sides of their boundaries.

#include <array>

#include "harness/catch.hpp"
#include "harness/pipeline/load/line_index.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/scan.hpp"
#include "harness/pipeline/load/shell_text.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

Scalar plain(std::string text, SpanNode& keep) {
  keep = SpanNode{};
  keep.kind = SpanNode::Kind::scalar;
  keep.text = std::move(text);
  return read_scalar(keep);
}

TEST_CASE("numbers are read by their text") {
  SpanNode n;
  CHECK(std::get<std::int64_t>(plain("10", n)) == 10);
  CHECK(std::get<std::int64_t>(plain("-7", n)) == -7);
  CHECK(std::get<std::int64_t>(plain("+7", n)) == 7);
  CHECK(std::get<std::int64_t>(plain("9223372036854775807", n)) == 9223372036854775807);
  CHECK(std::get<double>(plain("1e-3", n)) == 1e-3);
  CHECK(std::get<double>(plain(".5", n)) == 0.5);
  CHECK(std::get<double>(plain("-2.", n)) == -2.0);
}

TEST_CASE("what looks like a number and is none is told apart") {
  SpanNode n;
  for (const char* text : {"010", "-010", "0x1F", "0o17", "0b11", "1_000", "00"}) {
    INFO(text);
    CHECK(std::holds_alternative<OddNumber>(plain(text, n)));
  }
  for (const char* text : {".inf", "-.INF", "+.Inf", "1e999", "-1e999", "9223372036854775808"}) {
    INFO(text);
    CHECK(std::holds_alternative<Infinite>(plain(text, n)));
  }
  CHECK(std::holds_alternative<NotANumber>(plain(".NaN", n)));
  for (const char* text : {"yes", "no", "on", "off", "e5", "1e", "1.2.3", "-", ".", "+", "0 1",
                           "inf", "nan", "12:30"}) {
    INFO(text);
    CHECK(std::holds_alternative<std::string_view>(plain(text, n)));
  }
}

TEST_CASE("a quoted number is a text") {
  SpanNode n;
  plain("10", n);
  n.style = SpanNode::Style::quoted;
  CHECK(std::holds_alternative<std::string_view>(read_scalar(n)));
}

TEST_CASE("versions") {
  for (const char* good :
       {"0.0.0", "1.2.3", "10.20.30", "1.0.0-rc.1", "1.0.0+build.5", "1.0.0-a-b+c"})
    CHECK(is_semantic_version(good));
  for (const char* bad : {"", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.03", "1.2.3-",
                          "1.2.3-01", "banana", "1.2.x", "1.2.3+"}) {
    INFO(bad);
    CHECK(!is_semantic_version(bad));
  }
}

TEST_CASE("dates") {
  for (const char* good : {"2026-01-31", "2028-02-29", "2000-02-29", "2026-03-01T12:00:00Z"})
    CHECK(is_date(good));
  for (const char* bad : {"2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-04-31",
                          "2026-1-1", "26-01-01", "2026-01-01x", "", "today"}) {
    INFO(bad);
    CHECK(!is_date(bad));
  }
}

TEST_CASE("placeholders") {
  for (const char* yes : {"TBD", "todo.", "???", "...", "…", "to be done"})
    CHECK(is_placeholder(yes));
  for (const char* no : {"", "a = b", "none", "N/A", "todo list is empty", "0"})
    CHECK(!is_placeholder(no));
  CHECK(placeholder_word("first TODO: say it"));
  CHECK(!placeholder_word("counts `TODO` marks"));
  CHECK(!placeholder_word("TODOS are counted"));
}

TEST_CASE("claim ids") {
  for (const char* yes : {"FALSIFY-CRUX-B-11-004", "C-NF4-002", "FALSIFY-SM-01"})
    CHECK(is_claim_id(yes));
  for (const char* no : {"", "FALSIFY-SM", "falsify-sm-001", "FALSIFY--001", "F-SM-1",
                         "FALSIFY-SM-001-", "FALSIFY_SM_001"}) {
    INFO(no);
    CHECK(!is_claim_id(no));
  }
}

TEST_CASE("places in a text") {
  const std::string text = "ab\ngrüße\r\n\nend";
  const LineIndex lines(text);
  CHECK(lines.line_count() == 4);
  CHECK(lines.line(2) == "grüße");
  CHECK(lines.line(9).empty());
  const Span s = lines.span(3, 3 + std::string("grüße").size());
  CHECK(s.line == 2);
  CHECK(s.column == 1);
  CHECK(s.end_column == 6);
  CHECK(lines.span(10'000, 10'000).line == 4);
}

TEST_CASE("columns on a long line of three-byte characters") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "→";
  const LineIndex lines(text);
  for (const int column : {1, 2, 21, 22, 500, 1000}) {
    const auto offset = static_cast<std::size_t>(3 * (column - 1));
    CHECK(lines.span(offset, offset + 3).column == column);
  }
}

TEST_CASE("UTF-8 is judged as the standard does") {
  for (const char* good :
       {"", "a", "é", "\xEF\xBF\xBD", "\xF0\x9F\x99\x82", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"})
    CHECK(!first_invalid_utf8(good));
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3", "\xE2\x82", "a\xFF"}) {
    CHECK(first_invalid_utf8(bad));
  }
}

TEST_CASE("shell text is told from prose") {
  for (const char* shell : {"true", "exit 0", "cargo test x", "set -e\nrun", "a=$(run)",
                            "./run --fast", "if ! command -v jq; then exit 0; fi"}) {
    INFO(shell);
    CHECK(looks_like_shell(shell));
  }
  for (const char* prose :
       {"", "test every row", "find the largest element", "for all rows the sum is 1",
        "a property test over rows", "kani::proof_of_x", "set of all rows"}) {
    INFO(prose);
    CHECK(!looks_like_shell(prose));
  }
}

TEST_CASE("commands and what joins them") {
  const auto commands = read_shell("a 'x; y' && b | c || d # e; f\ng \"$(h; i)\"; j");
  REQUIRE(commands.size() == 6);
  CHECK(commands[0].words == std::vector<std::string>{"a", "'x; y'"});
  CHECK(commands[0].after == Joint::and_then);
  CHECK(commands[1].after == Joint::pipe);
  CHECK(commands[2].after == Joint::or_else);
  CHECK(commands[3].text == "d");
  CHECK(commands[4].text == "g \"$(h; i)\"");
  CHECK(commands[5].text == "j");
}

}  // namespace
}  // namespace refute::pipeline
