// The diff as one page that needs nothing beside it: the picture first, for people look before they
// read.

#include <fmt/format.h>

#include "harness/instruments/markup.hpp"
#include "harness/instruments/quant_diff_cells.hpp"
#include "harness/instruments/quant_diff_report.hpp"
#include "harness/instruments/quant_diff_svg.hpp"
#include "harness/tensor/text.hpp"

namespace refute::instruments {
namespace {

constexpr std::string_view kHead =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<title>Quantisation diff</title>\n<style>\n"
    ":root{color-scheme:light dark}\n"
    "body{font:15px/1.5 sans-serif;margin:2em auto;max-width:80em;padding:0 1em}\n"
    "svg{max-width:100%;height:auto}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.25em .7em;border-bottom:1px solid #8884;text-align:left;white-space:nowrap}\n"
    ".n{text-align:right}\n"
    ".finding td:first-child{border-left:.3em solid #d62828}\n"
    "</style>\n</head>\n<body>\n";

std::string shown(std::string_view text) {
  return markup_escaped(tensor::escaped(text));
}

std::string table_line(const DiffCells& cells, std::string_view cell, std::string_view row) {
  std::string line = row.empty() ? "<tr>" : fmt::format("<tr class=\"{}\">", row);
  for (std::size_t c = 0; c < kDiffColumns; ++c) {
    line += fmt::format("<{}{}>{}</{}>", cell, right_aligned(c) ? " class=\"n\"" : "",
                        markup_escaped(cells[c]), cell);
  }
  return line + "</tr>\n";
}

std::string table(const std::vector<const DiffRow*>& rows) {
  std::string text = "<h2>Tensors</h2>\n<div class=\"scroll\"><table>\n<thead>" +
                     table_line(diff_heading(), "th", "") + "</thead>\n<tbody>\n";
  for (const DiffRow* row : rows)
    text += table_line(diff_cells(*row), "td", row->findings.empty() ? "" : "finding");
  return text + "</tbody>\n</table></div>\n";
}

std::string list_of(std::string_view title, const std::string& items) {
  if (items.empty()) return "";
  return fmt::format("<h2>{}</h2>\n<ul>\n{}</ul>\n", title, items);
}

std::string findings_of(const std::vector<const DiffRow*>& rows) {
  std::string items;
  for (const DiffRow* row : rows) {
    for (const DiffFinding& f : row->findings) {
      items += fmt::format("<li><code>{}</code>: {}: {}</li>\n", shown(row->tensor),
                           to_string(f.kind), shown(f.message));
    }
    if (!row->cause.empty())
      items += fmt::format("<li><code>{}</code>: cause: {}</li>\n", shown(row->tensor),
                           shown(row->cause));
  }
  return list_of("Findings", items);
}

std::string notes_of(const DiffReport& report, const std::vector<const DiffRow*>& rows) {
  std::string items;
  for (const DiffRow* row : rows) {
    for (const std::string& note : row->notes)
      items += fmt::format("<li><code>{}</code>: {}</li>\n", shown(row->tensor), shown(note));
  }
  for (const std::string& note : report.notes) items += fmt::format("<li>{}</li>\n", shown(note));
  return list_of("Notes", items);
}

}  // namespace

std::string diff_html(const DiffReport& report, const DiffReportOptions& options) {
  const auto rows = shown_rows(report, options.top);
  std::string text(kHead);
  text += fmt::format(
      "<h1>Quantisation diff</h1>\n<p><code>{}</code> against <code>{}</code>: {}.</p>\n",
      shown(options.reference), shown(options.other), diff_summary(report));
  text += diff_svg(report) + findings_of(rows) + table(rows);
  if (const std::size_t hidden = report.rows.size() - rows.size(); hidden != 0)
    text += fmt::format("<p>{} more without a finding.</p>\n", hidden);
  return text + notes_of(report, rows) + "</body>\n</html>\n";
}

}  // namespace refute::instruments
