// The diff for people: a table for a terminal, and Markdown.

#include <algorithm>
#include <array>
#include <span>
#include <unordered_map>

#include <fmt/format.h>

#include "harness/instruments/quant_diff_cells.hpp"
#include "harness/instruments/quant_diff_report.hpp"
#include "harness/tensor/text.hpp"

namespace refute::instruments {
namespace {

std::string_view color_of(const DiffRow& row) {
  if (!row.findings.empty()) return "\x1b[31m";
  if (row.band_verdict == BandVerdict::above || row.band_verdict == BandVerdict::below)
    return "\x1b[33m";
  return "\x1b[32m";
}

std::string line_of(const DiffCells& cells, const std::array<std::size_t, kDiffColumns>& widths) {
  std::string line;
  for (std::size_t c = 0; c < kDiffColumns; ++c) {
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
    if (!row->cause.empty())
      text += fmt::format("{}{}: cause: {}\n", bullet, tensor::printable(row->tensor),
                          tensor::escaped(row->cause));
  }
  return text;
}

/// One note and the rows that have it.
struct SharedNote {
  std::string_view text;
  std::vector<const DiffRow*> rows;
};

std::vector<SharedNote> shared_notes(const std::vector<const DiffRow*>& rows) {
  std::vector<SharedNote> notes;
  std::unordered_map<std::string_view, std::size_t> known;
  for (const DiffRow* row : rows) {
    for (const std::string& note : row->notes) {
      const auto [at, is_new] = known.emplace(note, notes.size());
      if (is_new) notes.push_back({note, {}});
      notes[at->second].rows.push_back(row);
    }
  }
  return notes;
}

/// What is said of many tensors in the same words is said once.
std::string note_lines(const DiffReport& report, const std::vector<const DiffRow*>& rows,
                       std::string_view bullet) {
  constexpr std::size_t kFew = 3;
  std::string text;
  for (const SharedNote& note : shared_notes(rows)) {
    const bool once = note.rows.size() > kFew;
    const std::string more = once ? fmt::format(" and {} more", note.rows.size() - 1) : "";
    for (const DiffRow* row : std::span(note.rows).first(once ? 1 : note.rows.size())) {
      text += fmt::format("{}{}{}: {}\n", bullet, tensor::printable(row->tensor), more,
                          tensor::escaped(note.text));
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

std::string markdown_line(const DiffCells& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + markdown_cell(cell) + " |";
  return line + "\n";
}

}  // namespace

std::string diff_text(const DiffReport& report, const DiffReportOptions& options) {
  const auto rows = shown_rows(report, options.top);
  std::vector<DiffCells> lines = {diff_heading()};
  for (const DiffRow* row : rows) lines.push_back(diff_cells(*row));
  std::array<std::size_t, kDiffColumns> widths{};
  for (const DiffCells& cells : lines) {
    for (std::size_t c = 0; c < kDiffColumns; ++c) widths[c] = std::max(widths[c], cells[c].size());
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
  text += "## Tensors\n\n" + markdown_line(diff_heading());
  DiffCells rule;
  for (std::size_t c = 0; c < kDiffColumns; ++c) rule[c] = right_aligned(c) ? "---:" : "---";
  text += markdown_line(rule);
  for (const DiffRow* row : rows) text += markdown_line(diff_cells(*row));
  const std::size_t hidden = report.rows.size() - rows.size();
  if (hidden != 0) text += fmt::format("\n{} more without a finding.\n", hidden);
  if (const std::string notes = note_lines(report, rows, "- "); !notes.empty())
    text += "\n## Notes\n\n" + notes;
  return text;
}

}  // namespace refute::instruments
