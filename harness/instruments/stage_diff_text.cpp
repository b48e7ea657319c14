// A diff of stages for people.

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/instruments/stage_diff_report.hpp"
#include "harness/tensor/text.hpp"

namespace refute::instruments {
namespace {

using metrics::Metric;

std::string short_number(Metric m) {
  return m.defined() ? fmt::format("{:.3e}", m.value()) : "-";
}

/// As many digits as tell it from 1: a cosine of f32 noise has eight nines.
std::string near_one(Metric m) {
  return m.defined() ? fmt::format("{:.9f}", m.value()) : "-";
}

std::string full_number(Metric m) {
  return m.defined() ? fmt::format("{:.9g}", m.value())
                     : fmt::format("none ({})", to_string(m.reason()));
}

std::string census_text(const metrics::Census& c) {
  if (c.all_finite()) return "none";
  return fmt::format("{} NaN, {} +Inf, {} -Inf, first at {}", c.nan, c.positive_infinity,
                     c.negative_infinity, *c.first);
}

constexpr std::size_t kColumns = 11;
using Cells = std::array<std::string, kColumns>;
constexpr std::size_t kFirstNumber = 2, kLastNumber = 9;

Cells cells_of(const StageDiffRow& row) {
  Cells cells;
  cells[0] = row.layer == tensor::kWholeModel ? "-" : std::to_string(row.layer);
  cells[1] = to_string(row.stage);
  if (!row.values) {
    cells.back() = row.findings.empty() ? "not compared" : to_string(row.findings[0].kind);
    return cells;
  }
  const StageValues& v = *row.values;
  cells[2] = std::to_string(v.count);
  cells[3] = std::to_string(v.non_finite());
  cells[4] = short_number(v.max_abs);
  cells[5] = short_number(v.rmse);
  cells[6] = short_number(v.relative_error);
  cells[7] = short_number(v.worst_row.relative_error);
  cells[8] = near_one(v.cosine);
  cells[9] = near_one(v.norm_ratio);
  cells[10] = to_string(row.judgement.verdict);
  return cells;
}

std::string line_of(const Cells& cells, const std::array<std::size_t, kColumns>& widths) {
  std::string line;
  for (std::size_t c = 0; c < kColumns; ++c) {
    const bool right = c == 0 || (c >= kFirstNumber && c <= kLastNumber);
    if (c != 0) line += "  ";
    line += right ? fmt::format("{:>{}}", cells[c], widths[c])
                  : fmt::format("{:<{}}", cells[c], widths[c]);
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

std::string_view color_of(const StageDiffRow& row) {
  if (!row.findings.empty()) return "\x1b[31m";
  if (!row.values) return "\x1b[2m";
  return row.judgement.verdict == StageVerdict::no_power ? "\x1b[33m" : "\x1b[32m";
}

std::string table(const CaptureDiff& diff, bool color) {
  std::vector<Cells> lines = {{"layer", "stage", "values", "NaN/Inf", "max|diff|", "rmse",
                               "rel. error", "worst row", "cosine", "norm ratio", "verdict"}};
  for (const StageDiffRow& row : diff.rows) lines.push_back(cells_of(row));
  std::array<std::size_t, kColumns> widths{};
  for (const Cells& cells : lines) {
    for (std::size_t c = 0; c < kColumns; ++c) widths[c] = std::max(widths[c], cells[c].size());
  }
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool colored = color && i != 0;
    text += fmt::format("{}{}{}\n", colored ? color_of(diff.rows[i - 1]) : "",
                        line_of(lines[i], widths), colored ? "\x1b[0m" : "");
  }
  return text;
}

std::string finding_line(const std::string& where, const StageFinding& f) {
  return fmt::format("  {}{}{}: {}\n", where, f.side.empty() ? "" : " of " + f.side,
                     fmt::format(": {}", to_string(f.kind)), f.message);
}

std::string finding_lines(const CaptureDiff& diff) {
  std::string text;
  for (const StageDiffRow& row : diff.rows) {
    for (const StageFinding& f : row.findings) text += finding_line(row.file(), f);
  }
  for (const StageFinding& f : diff.findings) text += finding_line("the folder", f);
  return text;
}

std::string side_line(const char* name, const std::string& folder,
                      const tensor::CaptureManifest& m) {
  return fmt::format("{}  {}: {}, {}, weights {}, by {} ({:.12})\n", name,
                     tensor::printable(folder), tensor::printable(m.path.name),
                     tensor::printable(m.path.attention), tensor::printable(m.path.weight_dtype),
                     tensor::printable(m.producer), path_fingerprint(m.path).text);
}

std::string place_lines(const std::vector<ValuePlace>& places) {
  if (places.empty()) return "";
  std::string text = fmt::format("{:>12}  {:>15}  {:>15}  {:>12}\n", "index", "A", "B", "|diff|");
  for (const ValuePlace& p : places) {
    text +=
        fmt::format("{:>12}  {:>15.9g}  {:>15.9g}  {:>12.6g}\n", p.index, p.a, p.b, p.distance());
  }
  return text;
}

}  // namespace

std::string stage_file_text(const StageFileDiff& diff, bool color) {
  const StageValues& v = diff.values;
  const std::string layer =
      diff.layer == tensor::kWholeModel ? "the whole model" : fmt::format("layer {}", diff.layer);
  std::string text = fmt::format("A  {}\nB  {}\n{} values of {}\n", tensor::printable(diff.path_a),
                                 tensor::printable(diff.path_b), v.count, layer);
  text += fmt::format("NaN or infinity  A: {}; B: {}\n", census_text(v.a), census_text(v.b));
  text += fmt::format("max|diff|        {}", full_number(v.max_abs));
  text += v.max_abs.at_least(0x1p-1074) ? fmt::format(" at {}\n", v.max_abs_index) : "\n";
  text += fmt::format("RMS of the diff  {}  (of A {}, of B {})\n", full_number(v.rmse),
                      full_number(v.rms_a), full_number(v.rms_b));
  text +=
      fmt::format("relative error   {}\ncosine           {}\nnorm ratio       {}\n",
                  full_number(v.relative_error), full_number(v.cosine), full_number(v.norm_ratio));
  text += place_lines(v.top);
  const StageVerdict verdict = diff.judgement.verdict;
  const bool bad = verdict == StageVerdict::above || verdict == StageVerdict::non_finite;
  const std::string because = diff.judgement.because.empty() ? "" : ": " + diff.judgement.because;
  text += fmt::format("{}{}{}{}\n", color ? (bad ? "\x1b[31m" : "\x1b[32m") : "",
                      to_string(verdict), because, color ? "\x1b[0m" : "");
  return text;
}

std::string capture_text(const CaptureDiff& diff, bool color) {
  std::string text = side_line("A", diff.folder_a, diff.a) + side_line("B", diff.folder_b, diff.b);
  text += fmt::format("model {} ({}, sha256 {:.12}), {} tokens\n", tensor::printable(diff.a.model),
                      tensor::printable(diff.a.architecture), diff.a.model_sha256.text,
                      diff.a.tokens.size());
  for (const std::string& label : diff.labels) text += "differs in " + label + "\n";
  text += "\n" + table(diff, color);
  if (const std::string findings = finding_lines(diff); !findings.empty())
    text += "\nFindings\n" + findings;
  return text + "\n" + capture_summary(diff) + "\n";
}

std::string capture_summary(const CaptureDiff& diff) {
  std::size_t findings = diff.findings.size(), identical = 0, above = 0, weak = 0;
  for (const StageDiffRow& row : diff.rows) {
    findings += row.findings.size();
    if (!row.values) continue;
    identical += row.judgement.verdict == StageVerdict::identical;
    above += row.judgement.verdict == StageVerdict::above;
    weak += row.judgement.verdict == StageVerdict::no_power;
  }
  std::string text = fmt::format("{} of {} stages compared, {} identical", diff.compared(),
                                 diff.rows.size(), identical);
  if (above != 0) text += fmt::format(", {} above the tolerance", above);
  if (weak != 0) text += fmt::format(", {} without power: the tolerance would pass zeros", weak);
  text += fmt::format("; {} finding{}", findings, findings == 1 ? "" : "s");
  if (const StageDiffRow* first = diff.first_bad()) text += ", first in " + first->file();
  return text;
}

}  // namespace refute::instruments
