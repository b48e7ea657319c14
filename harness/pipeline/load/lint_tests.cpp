// Shell text under `test:` that could not fail, or could not pass. It is never run, but readers
// believe it.

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/shell_text.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

using Commands = std::vector<ShellCommand>;

template <std::size_t N>
bool named(const ShellCommand& c, const std::array<std::string_view, N>& names) {
  return std::ranges::find(names, c.name()) != names.end();
}

bool exits_with(const ShellCommand& c, bool zero) {
  if (c.name() != "exit" || c.words.size() < 2) return false;
  return zero
             ? c.words[1] == "0"
             : c.words[1].find_first_not_of("0123456789") == std::string::npos && c.words[1] != "0";
}

bool does_nothing(const ShellCommand& c) {
  return c.name() == "true" || c.name() == ":" || exits_with(c, true);
}

bool only_speaks(const ShellCommand& c) {
  constexpr auto kTalk =
      std::to_array<std::string_view>({"echo", "printf", "cat", "ls", "sleep", "rm", "head", "tail",
                                       "set", "cd", "export", "mkdir"});
  return named(c, kTalk);
}

bool asserts(const ShellCommand& c) {
  constexpr auto kAsserting = std::to_array<std::string_view>(
      {"test", "[", "[[", "grep", "rg", "diff", "cmp", "assert", "false", "pytest", "ctest",
       "cargo", "egrep", "fgrep", "refute", "pv"});
  if (named(c, kAsserting) || exits_with(c, false)) return true;
  if (c.name() == "exit" && c.words.size() > 1 && c.words[1].find('$') != std::string::npos)
    return true;
  const bool jq = c.name() == "jq" && c.text.find(" -e") != std::string::npos;
  const bool script =
      (c.name() == "python3" || c.name() == "python") && c.text.find("assert") != std::string::npos;
  return jq || script || c.after == Joint::and_then || c.after == Joint::or_else || c.conditional;
}

bool sets_option(const Commands& commands, std::string_view letter, std::string_view word) {
  return std::ranges::any_of(commands, [&](const ShellCommand& c) {
    if (c.name() != "set" || c.words.size() < 2) return false;
    const bool short_form =
        c.words[1].starts_with("-") && c.words[1].find(letter) != std::string::npos;
    return short_form || c.text.find(word) != std::string::npos;
  });
}

bool reads_status(const ShellCommand& c) {
  return c.text.find("$?") != std::string::npos;
}

class ShellTest {
 public:
  ShellTest(const Document& document, const SpanNode& node, Findings& findings)
      : document_(document), node_(node), findings_(findings), commands_(read_shell(node.text)) {}

  void check() {
    if (commands_.empty() || check_constant()) return;
    check_hidden_status();
    check_missing_tool();
    check_assertion();
    check_own_contract();
    check_comparison();
    check_jq();
  }

 private:
  void report(Code code, const ShellCommand& at, std::string message, std::string help) {
    const Span place = document_.place_in(node_, at.offset, at.text.size());
    findings_.add(code, document_.graded(), place, std::move(message), std::move(help));
  }

  // RF0701, RF0710: the status does not depend on anything.
  bool check_constant() {
    const ShellCommand& last = commands_.back();
    const bool alone = std::ranges::all_of(
        commands_, [](const ShellCommand& c) { return does_nothing(c) || only_speaks(c); });
    const bool some_action = std::ranges::any_of(
        commands_, [](const ShellCommand& c) { return !does_nothing(c) && !only_speaks(c); });
    if (alone && std::ranges::any_of(commands_, does_nothing)) {
      report("RF0701", last, "this test cannot fail",
             "run something whose status depends on the claim");
      return true;
    }
    if (commands_.size() == 1 && (last.name() == "false" || exits_with(last, false))) {
      report("RF0710", last, "this test cannot pass",
             "run something whose status depends on the claim");
      return true;
    }
    if (some_action && ends_in_success()) {
      report("RF0701", last, "the last command always succeeds, so this test cannot fail",
             "remove it, or begin with `set -e`");
      return true;
    }
    if (exits_with(last, false) && ends_in_failure()) {
      report("RF0710", last, "the last command always fails, so this test cannot pass",
             "remove it, or put a condition before it");
      return true;
    }
    return false;
  }

  bool ends_in_success() const {
    const ShellCommand& last = commands_.back();
    if (!does_nothing(last) || last.conditional) return false;
    const Joint before = commands_.size() > 1 ? commands_[commands_.size() - 2].after : Joint::end;
    if (before == Joint::and_then) return false;
    const bool stops_early = std::ranges::any_of(commands_, [](const ShellCommand& c) {
      return exits_with(c, false) || (c.name() == "exit" && c.text.find('$') != std::string::npos);
    });
    if (stops_early) return false;
    return before == Joint::or_else
               ? commands_.size() == 2 || !sets_option(commands_, "e", "errexit")
               : !sets_option(commands_, "e", "errexit");
  }

  bool ends_in_failure() const {
    const bool branches = std::ranges::any_of(commands_, [](const ShellCommand& c) {
      return c.conditional || c.after == Joint::and_then || c.after == Joint::or_else ||
             exits_with(c, true);
    });
    return !branches;
  }

  // RF0702, RF0709: `$?` is that of the last command, not of the one that mattered.
  void check_hidden_status() {
    const bool pipefail = sets_option(commands_, "#", "pipefail");
    for (std::size_t i = 1; i + 1 < commands_.size(); ++i) {
      const ShellCommand& c = commands_[i];
      if (!reads_status(commands_[i + 1])) continue;
      if (commands_[i - 1].after == Joint::or_else && (does_nothing(c) || only_speaks(c))) {
        report("RF0702", c,
               fmt::format("`|| {}` makes the status that is read next always 0", c.text),
               "write `status=0; command || status=$?`");
      } else if (commands_[i - 1].after == Joint::pipe && !pipefail) {
        report(
            "RF0709", c,
            fmt::format("the status read next is that of `{}`, not of the command before the pipe",
                        c.name()),
            "begin with `set -o pipefail`, or redirect to a file");
      }
    }
  }

  // RF0703: a test that did not run is not a test that passed.
  void check_missing_tool() {
    for (std::size_t i = 0; i < commands_.size(); ++i) {
      if (!looks_for_tool(commands_[i])) continue;
      const std::size_t last = std::min(commands_.size(), i + 4);
      for (std::size_t j = i + 1; j < last; ++j) {
        if (!exits_with(commands_[j], true)) continue;
        report("RF0703", commands_[j], "this test passes where the tool is missing",
               "exit with another status, such as 77 for skipped");
        return;
      }
    }
  }

  static bool looks_for_tool(const ShellCommand& c) {
    if (c.name() == "which" || c.name() == "hash") return true;
    if (c.name() == "type" && c.words.size() <= 4) return true;
    const bool query =
        c.name() == "command" && c.words.size() > 1 && (c.words[1] == "-v" || c.words[1] == "-V");
    const bool file =
        (c.name() == "[" || c.name() == "test") &&
        (c.text.find("-x ") != std::string::npos || c.text.find("-f ") != std::string::npos);
    return query || file || c.name() == "nvidia-smi";
  }

  // RF0704
  void check_assertion() {
    const bool any = std::ranges::any_of(commands_, asserts);
    if (any || commands_.size() < 2 || sets_option(commands_, "e", "errexit")) return;
    const ShellCommand& last = commands_.back();
    const bool assignment = last.words.size() == 1 && last.text.find('=') != std::string::npos;
    if (!only_speaks(last) && !assignment) return;
    report("RF0704", last, "nothing is asserted after the action",
           "compare what came out with what the prediction says");
  }

  // RF0705
  void check_own_contract() {
    constexpr auto kSearch = std::to_array<std::string_view>(
        {"grep", "egrep", "fgrep", "rg", "awk", "sed", "yq", "cat"});
    for (const ShellCommand& c : commands_) {
      const bool own = c.text.find(document_.stem + ".yaml") != std::string::npos ||
                       c.text.find(document_.stem + ".yml") != std::string::npos;
      if (!own || !named(c, kSearch)) continue;
      report("RF0705", c,
             "this searches the contract's own text, which says nothing about the code",
             "test the implementation");
      return;
    }
  }

  // RF0706
  void check_comparison() {
    const ShellCommand* last_unused = nullptr;
    int unused = 0;
    for (std::size_t i = 0; i < commands_.size(); ++i) {
      const auto variable = computed_variable(commands_[i]);
      if (!variable || used_after(*variable, i)) continue;
      ++unused;
      last_unused = &commands_[i];
    }
    if (unused < 2) return;
    report("RF0706", *last_unused, "two values are computed and never compared",
           "end on a comparison of the two");
  }

  static std::optional<std::string> computed_variable(const ShellCommand& c) {
    const std::size_t equals = c.text.find('=');
    if (equals == std::string::npos || equals == 0) return std::nullopt;
    const bool computed = c.text.compare(equals + 1, 2, "$(") == 0 ||
                          c.text.compare(equals + 1, 3, "\"$(") == 0 ||
                          c.text.compare(equals + 1, 1, "`") == 0;
    const std::string name = c.text.substr(0, equals);
    const bool word =
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
        std::string::npos;
    return computed && word ? std::optional(name) : std::nullopt;
  }

  bool used_after(const std::string& variable, std::size_t from) const {
    for (std::size_t i = from + 1; i < commands_.size(); ++i) {
      const std::string& text = commands_[i].text;
      if (only_speaks(commands_[i])) continue;
      if (text.find("$" + variable) != std::string::npos ||
          text.find("${" + variable) != std::string::npos)
        return true;
    }
    return false;
  }

  // RF0707: `.a == "b" | test("x")` hands test() a boolean; jq's `|` binds loosest.
  void check_jq() {
    for (const ShellCommand& c : commands_) {
      if (c.name() != "jq") continue;
      for (std::size_t at = c.text.find("test("); at != std::string::npos;
           at = c.text.find("test(", at + 1)) {
        if (!piped_boolean(std::string_view(c.text).substr(0, at))) continue;
        report("RF0707", c, "jq pipes a boolean into test()",
               "put parentheses: `.a == \"b\" and (.c | test(\"x\"))`");
        return;
      }
    }
  }

  static bool piped_boolean(std::string_view before) {
    before = trimmed(before);
    if (!before.ends_with('|')) return false;
    before.remove_suffix(1);
    int depth = 0;
    std::size_t begin = before.size();
    while (begin > 0) {
      const char c = before[begin - 1];
      if (c == ')' || c == ']') ++depth;
      if ((c == '(' || c == '[') && depth-- == 0) break;
      if (depth == 0 && (c == '|' || c == ',' || c == '\'')) break;
      --begin;
    }
    const std::string_view segment = before.substr(begin);
    constexpr auto kBoolean =
        std::to_array<std::string_view>({"==", "!=", ">=", "<=", " and ", " or ", " < ", " > "});
    return std::ranges::any_of(
        kBoolean, [&](std::string_view op) { return segment.find(op) != std::string_view::npos; });
  }

  const Document& document_;
  const SpanNode& node_;
  Findings& findings_;
  Commands commands_;
};

bool names_nothing(std::string_view text) {
  constexpr auto kEmptyWords = std::to_array<std::string_view>(
      {"test",     "tests",      "manual",     "manually",         "yes",
       "no",       "unit test",  "unit tests", "see above",        "see below",
       "see code", "cargo test", "pytest",     "make test",        "automated",
       "ci",       "covered",    "exists",     "integration test", "property test"});
  const std::string said = folded(text);
  return std::ranges::any_of(kEmptyWords, [&](std::string_view w) {
    return same_word(w, said) || said == std::string(w) + ".";
  });
}

void check_test(const Document& document, const SpanNode& node, Findings& findings) {
  if (trimmed(node.text).empty()) return;
  if (names_nothing(node.text)) {
    findings.add("RF0708", document.graded(), node,
                 fmt::format("`{}` names no test", folded(node.text)),
                 "name the test, or say in words what is done and compared");
  } else if (looks_like_shell(node.text)) {
    ShellTest(document, node, findings).check();
  } else if (is_placeholder(node.text) && !node.text.empty()) {
    findings.add("RF0208", document.graded(), node,
                 fmt::format("`{}` is a placeholder", trimmed(node.text)),
                 "say what is tested, or remove the key");
  }
}

}  // namespace

void lint_tests(const Document& document, Findings& findings) {
  for (const SpanNode* claim : document.claims()) {
    for (const SpanNode* node : text_nodes(find_field(claim_shape(), *claim, "test"))) {
      if (node->is_scalar()) check_test(document, *node, findings);
    }
  }
}

}  // namespace refute::pipeline
