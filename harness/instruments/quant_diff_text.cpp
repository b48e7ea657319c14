// The diff for people: a table for a terminal, and Markdown.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "harness/instruments/quant_diff_place.hpp"
#include "harness/instruments/quant_diff_report.hpp"
#include "harness/tensor/text.hpp"

namespace refute::instruments {
namespace {

using metrics::Metric;

std::string short_number(Metric m) {
  return m.defined() ? fmt::format("{:.3e}", m.value()) : "-";
}

/// As many digits as tell it from 1.
std::string near_one(Metric m) {
  return m.defined() ? fmt::format("{:.6f}", m.value()) : "-";
}

std::string band_text(const DiffRow& row) {
  if (!row.band || row.band_verdict == BandVerdict::none) return "-";
  if (row.band->lossless()) return std::string(to_string(row.band_verdict));
  return fmt::format("{} [{:.4g}, {:.4g}]", to_string(row.band_verdict), row.band->low,
                     row.band->high);
}

std::string worst_text(const WorstGroup& g) {
  if (g.length == 0) return "-";
  return fmt::format("{} {}: {}", g.is_row ? "row" : "block", g.group,
                     short_number(g.relative_error));
}

std::string name_text(const DiffRow& row) {
  std::string name = tensor::printable(row.tensor);
  if (!row.other_name.empty()) name += " = " + tensor::printable(row.other_name);
  return name;
}

/// With its place: "2.429e-01 at [3, 40]".
std::string largest_text(const DiffRow& row) {
  if (!row.max_abs.defined() || row.max_abs.value() == 0) return short_number(row.max_abs);
  return short_number(row.max_abs) + " at " + place_text(row.shape, row.max_abs_index);
}

constexpr std::size_t kColumns = 10;
using Cells = std::array<std::string, kColumns>;

const Cells& heading() {
  static const Cells cells = {"tensor",  "type",       "values",     "rmse",  "cosine",
                              "max |d|", "rel. error", "norm ratio", "worst", "verdict"};
  return cells;
}

Cells cells_of(const DiffRow& row) {
  const std::string type =
      row.reference_type.empty() || row.reference_type == row.qtype
          ? row.qtype
          : fmt::format("{}>{}", row.reference_type, row.qtype.empty() ? "-" : row.qtype);
  return {name_text(row),
          tensor::printable(type),
          std::to_string(row.numel),
          short_number(row.rmse),
          near_one(row.cosine),
          largest_text(row),
          short_number(row.relative_error),
          near_one(row.norm_ratio),
          worst_text(row.worst),
          fmt::format("{}, {}", to_string(row.verdict), band_text(row))};
}

std::string_view color_of(const DiffRow& row) {
  if (!row.findings.empty()) return "\x1b[31m";
  if (row.band_verdict == BandVerdict::above || row.band_verdict == BandVerdict::below)
    return "\x1b[33m";
  return "\x1b[32m";
}

/// Numbers to the right, words to the left.
bool right_aligned(std::size_t column) {
  return column >= 2 && column <= 7;
}

std::string line_of(const Cells& cells, const std::array<std::size_t, kColumns>& widths) {
  std::string line;
  for (std::size_t c = 0; c < kColumns; ++c) {
    if (c != 0) line += "  ";
    line += right_aligned(c) ? fmt::format("{:>{}}", cells[c], widths[c])
                             : fmt::format("{:<{}}", cells[c], widths[c]);
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

std::string finding_lines(const std::vector<const DiffRow*>& rows, std::string_view bullet) {
  std::string text;
  for (const DiffRow* row : rows) {
    for (const DiffFinding& f : row->findings) {
      text += fmt::format("{}{}: {}: {}\n", bullet, tensor::printable(row->tensor),
                          to_string(f.kind), tensor::escaped(f.message));
    }
  }
  return text;
}

std::string note_lines(const DiffReport& report, const std::vector<const DiffRow*>& rows,
                       std::string_view bullet) {
  std::string text;
  for (const DiffRow* row : rows) {
    for (const std::string& note : row->notes) {
      text +=
          fmt::format("{}{}: {}\n", bullet, tensor::printable(row->tensor), tensor::escaped(note));
    }
  }
  for (const std::string& note : report.notes)
    text += fmt::format("{}{}\n", bullet, tensor::escaped(note));
  return text;
}

std::string markdown_cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  return text;
}

std::string markdown_line(const Cells& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + markdown_cell(cell) + " |";
  return line + "\n";
}

}  // namespace

std::string diff_text(const DiffReport& report, const DiffReportOptions& options) {
  const auto rows = shown_rows(report, options.top);
  std::vector<Cells> lines = {heading()};
  for (const DiffRow* row : rows) lines.push_back(cells_of(*row));
  std::array<std::size_t, kColumns> widths{};
  for (const Cells& cells : lines) {
    for (std::size_t c = 0; c < kColumns; ++c) widths[c] = std::max(widths[c], cells[c].size());
  }
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool color = options.color && i != 0;
    text += fmt::format("{}{}{}\n", color ? color_of(*rows[i - 1]) : "", line_of(lines[i], widths),
                        color ? "\x1b[0m" : "");
  }
  const std::size_t hidden = report.rows.size() - rows.size();
  if (hidden != 0) text += fmt::format("… {} more without a finding\n", hidden);
  if (const std::string findings = finding_lines(rows, "  "); !findings.empty())
    text += "\nFindings\n" + findings;
  if (const std::string notes = note_lines(report, rows, "  "); !notes.empty())
    text += "\nNotes\n" + notes;
  return text + "\n" + diff_summary(report) + "\n";
}

std::string diff_markdown(const DiffReport& report, const DiffReportOptions& options) {
  const auto rows = shown_rows(report, options.top);
  std::string text = fmt::format("# Quantisation diff\n\n`{}` against `{}`: {}.\n\n",
                                 tensor::escaped(options.reference), tensor::escaped(options.other),
                                 diff_summary(report));
  if (!options.picture.empty())
    text += fmt::format("![errors by layer and their histogram]({})\n\n", options.picture);
  if (const std::string findings = finding_lines(rows, "- "); !findings.empty())
    text += "## Findings\n\n" + findings + "\n";
  text += "## Tensors\n\n" + markdown_line(heading());
  Cells rule;
  for (std::size_t c = 0; c < kColumns; ++c) rule[c] = right_aligned(c) ? "---:" : "---";
  text += markdown_line(rule);
  for (const DiffRow* row : rows) text += markdown_line(cells_of(*row));
  const std::size_t hidden = report.rows.size() - rows.size();
  if (hidden != 0) text += fmt::format("\n{} more without a finding.\n", hidden);
  if (const std::string notes = note_lines(report, rows, "- "); !notes.empty())
    text += "\n## Notes\n\n" + notes;
  return text;
}

}  // namespace refute::instruments
