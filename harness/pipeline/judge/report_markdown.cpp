#include <algorithm>

#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/pipeline/judge/changes.hpp"
#include "harness/pipeline/judge/report.hpp"
#include "harness/pipeline/judge/report_rows.hpp"
#include "harness/pipeline/judge/report_words.hpp"

namespace refute::pipeline {
namespace {

constexpr std::string_view kZeroWidthSpace = "\xe2\x80\x8b";

/// Text from workers and contracts, so that it can neither end a table cell nor become markup.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '|':
      case '`':
      case '*':
      case '_':
      case '[':
      case ']':
      case '\\':
      case '~':
        result += '\\';
        result += c;
        break;
      case '@':
      case '#':
        // A backslash would not keep a forge from mentioning people and linking issues.
        result += c;
        result += kZeroWidthSpace;
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// A code span that whatever is in the text cannot end.
std::string code(std::string_view text) {
  const std::string inner = printable(text);
  std::size_t longest = 0, run = 0;
  for (const char c : inner) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  return longest == 0 ? fence + inner + fence : fence + " " + inner + " " + fence;
}

class MarkdownReport {
 public:
  explicit MarkdownReport(const RunReport& report) : report_(report), rows_(rows_of(report)) {}

  std::string render() {
    line("## Refute: " + escaped(level_summary(report_.ledger)));
    changes();
    findings();
    guests();
    table();
    details("What the next levels take", next_steps());
    details("Stale evidence", stale());
    details("This run", facts());
    return std::move(out_);
  }

 private:
  void line(const std::string& text) { out_ += text + "\n"; }

  void changes() {
    if (!report_.baseline) return;
    line("\n### Changed since " + code(report_.baseline->name) + "\n");
    const std::vector<Change> all = changes_since(*report_.baseline, report_.ledger);
    if (all.empty()) line("No claim changed.");
    for (const Change& change : all) {
      const std::string words = escaped(change.words);
      line(fmt::format("- {}: {}", code(change.claim.text),
                       is_worse(change.kind) ? "**" + words + "**" : words));
    }
  }

  void findings() {
    bool any = false;
    for (const ClaimRow& row : rows_) {
      for (const Finding& finding : row.findings) {
        if (!any) line("\n### Findings\n");
        any = true;
        finding_lines(row, finding);
      }
    }
  }

  void finding_lines(const ClaimRow& row, const Finding& finding) {
    line(fmt::format("- **{}** {} on {}: {}", escaped(finding.kind), code(row.ledger->claim.text),
                     escaped(finding.about), escaped(finding.message)));
    if (!finding.printed.empty()) line("  - it printed " + code(finding.printed));
    if (!finding.again.empty()) line("  - run it alone with " + code(finding.again));
    const auto* refuted = std::get_if<Refuted>(&finding.evidence->outcome.verdict);
    if (refuted == nullptr || finding.evidence->arm != Arm::subject) return;
    line("  - counterexample " + code(json::dump(refuted->counterexample)));
    line("  - replay with " + code(finding.replay));
    if (!row.claim->if_fails.empty()) line("  - " + escaped(row.claim->if_fails));
  }

  void guests() {
    const std::vector<std::string> lines = guest_lines(rows_);
    if (!lines.empty()) line("\n### Your own subjects\n");
    for (const std::string& text : lines) line("- " + escaped(text));
  }

  void table() {
    line("\n| claim | level | outcome | cases | power | measured |");
    line("|---|---|---|---:|---|---|");
    for (const ClaimRow& row : rows_) {
      const bool bad = row.ledger->level == Level::refuted || row.ledger->vacuous();
      const std::string level = escaped(to_string(row.ledger->level));
      line(fmt::format("| {} | {} | {} | {} | {} | {} |", code(row.ledger->claim.text),
                       bad ? "**" + level + "**" : level, escaped(row.outcome),
                       row.cases == 0 ? "" : with_thousands(row.cases), escaped(row.power),
                       escaped(row.measured)));
    }
  }

  void details(const std::string& summary, const std::string& body) {
    if (body.empty()) return;
    line(fmt::format("\n<details><summary>{}</summary>\n\n{}\n</details>", summary, body));
  }

  std::string next_steps() const {
    std::string body;
    for (const NextStep& step : pipeline::next_steps(rows_)) {
      std::vector<std::string> claims;
      for (const std::string& claim : step.claims) claims.push_back(code(claim));
      body += fmt::format("- {}: {}\n", escaped(step.words), joined(claims, ", "));
      for (const std::string& why : step.because) body += fmt::format("  - {}\n", escaped(why));
    }
    return body;
  }

  std::string stale() const {
    std::string body;
    for (const ClaimRow& row : rows_) {
      if (row.ledger->stale.empty()) continue;
      body += fmt::format("- {}: {}, {}\n", code(row.ledger->claim.text),
                          counted(row.ledger->stale.size(), "record"),
                          escaped(stale_reasons(*row.ledger)));
    }
    return body;
  }

  std::string facts() const {
    std::string body;
    if (report_.facts) {
      body +=
          fmt::format("- run {}, seed {}{}\n", code(report_.facts->id), report_.facts->seed.value,
                      report_.facts->interrupted ? ", **interrupted**" : "");
      body += fmt::format("- options {}\n", code(json::dump(report_.facts->options)));
      body += fmt::format("- toolchain {}\n", code(json::dump(report_.facts->toolchain)));
    }
    for (const std::string& note : report_.notes)
      body += fmt::format("- note: {}\n", escaped(note));
    for (const ExitCode exit : report_.exits) {
      body += fmt::format("- exit {}: {}\n", static_cast<int>(exit), meaning_of(exit));
    }
    return body;
  }

  const RunReport& report_;
  std::vector<ClaimRow> rows_;
  std::string out_;
};

}  // namespace

std::string report_markdown(const RunReport& report) {
  return MarkdownReport(report).render();
}

}  // namespace refute::pipeline
