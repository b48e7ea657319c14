#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/pipeline/judge/changes.hpp"
#include "harness/pipeline/judge/report.hpp"
#include "harness/pipeline/judge/report_rows.hpp"
#include "harness/pipeline/judge/report_words.hpp"

namespace refute::pipeline {
namespace {

/// Code points, near enough to columns for what stands in these tables.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t columns) {
  const std::size_t used = width(text);
  return used >= columns ? text : text + std::string(columns - used, ' ');
}

/// The words with commas, on lines that a terminal holds; later lines begin with the indent.
std::string wrapped(const std::vector<std::string>& words, const std::string& indent) {
  constexpr std::size_t kColumns = 100;
  std::string text;
  std::size_t used = indent.size();
  for (const std::string& word : words) {
    if (!text.empty()) text += ",";
    if (!text.empty() && used + word.size() + 2 > kColumns) {
      text += "\n" + indent;
      used = indent.size();
    } else if (!text.empty()) {
      text += " ";
    }
    text += word;
    used += word.size() + 2;
  }
  return text;
}

std::string level_color(Level level) {
  switch (level) {
    case Level::unbound:
      return "\x1b[2m";
    case Level::open:
      return "\x1b[33m";
    case Level::partial_algorithm_level:
      return "\x1b[36m";
    case Level::functional:
      return "\x1b[32m";
    case Level::discharged:
      return "\x1b[1;32m";
    case Level::refuted:
      return "\x1b[1;31m";
  }
  return "";
}

class TextReport {
 public:
  TextReport(const RunReport& report, bool color)
      : report_(report), color_(color), rows_(rows_of(report)) {}

  std::string render() {
    changes();
    table();
    findings();
    next_steps();
    stale();
    guests();
    ending();
    return std::move(out_);
  }

 private:
  void line(const std::string& text) { out_ += text + "\n"; }
  void heading(const std::string& text) { line((out_.empty() ? "" : "\n") + text); }
  std::string painted(const std::string& code, const std::string& text) const {
    return color_ && !code.empty() ? code + text + "\x1b[0m" : text;
  }

  void changes() {
    if (!report_.baseline) return;
    heading("Changed since " + printable(report_.baseline->name));
    const std::vector<Change> all = changes_since(*report_.baseline, report_.ledger);
    if (all.empty()) line("  nothing");
    for (const Change& change : all) {
      line(fmt::format("  {} {}: {}", is_worse(change.kind) ? "!" : " ", change.claim.text,
                       change.words));
    }
  }

  using Cells = std::array<std::string, 5>;

  static Cells cells_of(const ClaimRow& row) {
    return {row.ledger->claim.text, std::string(to_string(row.ledger->level)), row.outcome,
            row.cases == 0 ? "-" : counted(row.cases, "case"), row.power};
  }

  /// Columns as wide as their widest cell. The last, what was measured, may run on.
  void table() {
    std::array<std::size_t, 5> widths{};
    for (const ClaimRow& row : rows_) {
      const Cells cells = cells_of(row);
      for (std::size_t i = 0; i < cells.size(); ++i)
        widths[i] = std::max(widths[i], width(cells[i]));
    }
    std::string contract;
    for (const ClaimRow& row : rows_) {
      if (row.ledger->contract.text != contract) {
        contract = row.ledger->contract.text;
        heading(contract);
      }
      table_row(row, widths);
    }
  }

  void table_row(const ClaimRow& row, const std::array<std::size_t, 5>& widths) {
    const Cells cells = cells_of(row);
    std::string text = " ";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      std::string cell = padded(cells[i], widths[i]);
      if (i == 1) cell = painted(level_color(row.ledger->level), cell);
      text += " " + cell + " ";
    }
    text += " " + row.measured;
    text.erase(text.find_last_not_of(' ') + 1);
    line(text);
  }

  void findings() {
    bool any = false;
    for (const ClaimRow& row : rows_) {
      for (const Finding& finding : row.findings) {
        if (!any) heading("Findings");
        any = true;
        finding_lines(row, finding);
      }
    }
  }

  void finding_lines(const ClaimRow& row, const Finding& finding) {
    line(fmt::format("  {} on {}: {}", row.ledger->claim.text, finding.about,
                     painted("\x1b[1;31m", finding.kind)));
    line("    " + finding.message);
    printed(finding.printed);
    if (!finding.again.empty()) line("    run it alone    " + printable(finding.again));
    if (finding.evidence->arm != Arm::subject) return;
    const auto* refuted = std::get_if<Refuted>(&finding.evidence->outcome.verdict);
    if (refuted != nullptr) counterexample_lines(refuted->counterexample);
    if (refuted != nullptr && !row.claim->if_fails.empty()) {
      line("    what it means   " + printable(row.claim->if_fails));
    }
    if (refuted != nullptr) line("    replay          " + printable(finding.replay));
  }

  /// Line by line: a traceback on one line is read by nobody.
  void printed(std::string_view text) {
    std::string_view label = "    it printed      ";
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      if (end > 0) {
        line(std::string(label) + printable(text.substr(0, end)));
        label = "                    ";
      }
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  /// What it explains in sentences has lines of its own.
  void counterexample_lines(Value shown) {
    for (const char* name : {"where", "fault"}) {
      const Value* found = shown.find(name);
      const std::string* sentence = found != nullptr ? found->as_string() : nullptr;
      if (sentence == nullptr) continue;
      line(fmt::format("    {:<15} {}", name, printable(*sentence)));
      std::erase_if(*shown.as_map(), [&](const auto& member) { return member.first == name; });
    }
    line("    counterexample  " + json::dump(shown));
  }

  void next_steps() {
    std::vector<NextStep> steps = pipeline::next_steps(rows_);
    if (!steps.empty()) heading("What the next levels take");
    for (const NextStep& step : steps) {
      line("  " + printable(step.words));
      for (const std::string& why : step.because) line("    " + printable(why));
      line("    " + wrapped(step.claims, "    "));
    }
  }

  void stale() {
    bool any = false;
    for (const ClaimRow& row : rows_) {
      if (row.ledger->stale.empty()) continue;
      if (!any) heading("Stale, and counted for nothing");
      any = true;
      line(fmt::format("  {}  {}: {}", row.ledger->claim.text,
                       counted(row.ledger->stale.size(), "record"), stale_reasons(*row.ledger)));
    }
  }

  void guests() {
    const std::vector<std::string> lines = guest_lines(rows_);
    if (!lines.empty()) heading("Your own subjects");
    for (const std::string& text : lines) line("  " + printable(text));
  }

  void ending() {
    heading(level_summary(report_.ledger));
    if (report_.facts) {
      line(fmt::format("run {}, seed {}{}", report_.facts->id, report_.facts->seed.value,
                       report_.facts->interrupted ? ", interrupted" : ""));
    }
    for (const std::string& note : report_.notes) line("note: " + printable(note));
    for (const ExitCode code : report_.exits) {
      if (code == ExitCode::ok) continue;
      line(fmt::format("exit {}: {}", static_cast<int>(code), meaning_of(code)));
    }
  }

  const RunReport& report_;
  bool color_;
  std::vector<ClaimRow> rows_;
  std::string out_;
};

}  // namespace

std::string report_text(const RunReport& report, bool color) {
  return TextReport(report, color).render();
}

}  // namespace refute::pipeline
