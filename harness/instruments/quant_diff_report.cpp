#include "harness/instruments/quant_diff_report.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include <fmt/format.h>

#include "harness/tensor/text.hpp"

namespace refute::instruments {
namespace {

using metrics::Metric;

Value number(Metric m) {
  return m.defined() ? Value(m.value()) : Value();
}

Value text_or_null(const std::string& s) {
  return s.empty() ? Value() : Value(s);
}

Value shape_value(const std::vector<std::size_t>& shape) {
  Value::List list;
  for (const std::size_t n : shape) list.emplace_back(static_cast<std::uint64_t>(n));
  return list;
}

Value worst_value(const WorstGroup& g) {
  if (g.length == 0) return {};
  Value v;
  v.set("kind", g.is_row ? "row" : "block");
  v.set("index", static_cast<std::uint64_t>(g.group));
  v.set("first", static_cast<std::uint64_t>(g.first));
  v.set("length", static_cast<std::uint64_t>(g.length));
  v.set("relative_error", number(g.relative_error));
  return v;
}

Value codes_value(const CodeCheck& c) {
  if (c.blocks == 0) return {};
  Value v;
  v.set("blocks", c.blocks);
  v.set("over_bound", c.over_bound);
  v.set("not_nearest", c.not_nearest);
  v.set("blocks_not_nearest", c.blocks_not_nearest);
  v.set("requantised", c.requantised);
  v.set("differing", c.differing);
  return v;
}

Value findings_value(const std::vector<DiffFinding>& findings) {
  Value::List list;
  for (const DiffFinding& f : findings) {
    Value v;
    v.set("kind", to_string(f.kind));
    v.set("message", f.message);
    list.push_back(std::move(v));
  }
  return list;
}

Value row_value(const DiffRow& row) {
  Value v;
  v.set("tensor", row.tensor);
  v.set("qtype", text_or_null(row.qtype));
  v.set("numel", static_cast<std::uint64_t>(row.numel));
  v.set("rmse", number(row.rmse));
  v.set("cosine", number(row.cosine));
  v.set("max_abs", number(row.max_abs));
  v.set("verdict", to_string(row.verdict));
  v.set("band_verdict", to_string(row.band_verdict));
  v.set("band", row.band ? Value(Value::List{row.band->low, row.band->high}) : Value());
  v.set("relative_error", number(row.relative_error));
  v.set("norm_ratio", number(row.norm_ratio));
  v.set("max_abs_index",
        row.max_abs.defined() ? Value(static_cast<std::uint64_t>(row.max_abs_index)) : Value());
  v.set("worst", worst_value(row.worst));
  v.set("codes", codes_value(row.codes));
  v.set("reference_type", text_or_null(row.reference_type));
  v.set("shape", shape_value(row.shape));
  v.set("other_name", text_or_null(row.other_name));
  v.set("findings", findings_value(row.findings));
  v.set("cause", text_or_null(row.cause));
  Value::List notes(row.notes.begin(), row.notes.end());
  v.set("notes", std::move(notes));
  return v;
}

/// Shortest text that reads back as the same number.
std::string exact(Metric m) {
  return m.defined() ? fmt::format("{}", m.value()) : "";
}

std::string kinds(const DiffRow& row) {
  std::string all;
  for (const DiffFinding& f : row.findings) {
    all += (all.empty() ? "" : ",") + std::string(to_string(f.kind));
  }
  return all;
}

std::string worst_text(const WorstGroup& g) {
  if (g.length == 0) return "";
  return fmt::format("{} {}", g.is_row ? "row" : "block", g.group);
}

struct TsvColumn {
  std::string_view name;
  std::string (*show)(const DiffRow&);
};
constexpr std::array kTsv = {
    TsvColumn{"tensor", [](const DiffRow& r) { return tensor::printable(r.tensor); }},
    TsvColumn{"qtype", [](const DiffRow& r) { return tensor::printable(r.qtype); }},
    TsvColumn{"numel", [](const DiffRow& r) { return std::to_string(r.numel); }},
    TsvColumn{"rmse", [](const DiffRow& r) { return exact(r.rmse); }},
    TsvColumn{"cosine", [](const DiffRow& r) { return exact(r.cosine); }},
    TsvColumn{"max_abs", [](const DiffRow& r) { return exact(r.max_abs); }},
    TsvColumn{"verdict", [](const DiffRow& r) { return std::string(to_string(r.verdict)); }},
    TsvColumn{"band_verdict",
              [](const DiffRow& r) { return std::string(to_string(r.band_verdict)); }},
    TsvColumn{"relative_error", [](const DiffRow& r) { return exact(r.relative_error); }},
    TsvColumn{"norm_ratio", [](const DiffRow& r) { return exact(r.norm_ratio); }},
    TsvColumn{"max_abs_index",
              [](const DiffRow& r) {
                return r.max_abs.defined() ? std::to_string(r.max_abs_index) : std::string();
              }},
    TsvColumn{"worst", [](const DiffRow& r) { return worst_text(r.worst); }},
    TsvColumn{"worst_relative_error",
              [](const DiffRow& r) { return exact(r.worst.relative_error); }},
    TsvColumn{"reference_type",
              [](const DiffRow& r) { return tensor::printable(r.reference_type); }},
    TsvColumn{"other_name", [](const DiffRow& r) { return tensor::printable(r.other_name); }},
    TsvColumn{"findings", kinds},
    TsvColumn{"cause", [](const DiffRow& r) { return tensor::printable(r.cause); }},
};

std::string plural(std::size_t n, std::string_view word) {
  return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

}  // namespace

std::vector<const DiffRow*> shown_rows(const DiffReport& report, std::size_t top) {
  std::vector<const DiffRow*> rows;
  for (const DiffRow& row : report.rows) {
    if (top == 0 || rows.size() < top || !row.findings.empty()) rows.push_back(&row);
  }
  return rows;
}

Value diff_value(const DiffReport& report, const DiffReportOptions& options) {
  Value::List rows;
  for (const DiffRow* row : shown_rows(report, options.top)) rows.push_back(row_value(*row));
  return rows;
}

std::string diff_tsv(const DiffReport& report, const DiffReportOptions& options) {
  std::string text;
  for (const TsvColumn& column : kTsv) {
    text += (&column == &kTsv.front() ? "" : "\t") + std::string(column.name);
  }
  text += '\n';
  for (const DiffRow* row : shown_rows(report, options.top)) {
    for (const TsvColumn& column : kTsv) {
      text += (&column == &kTsv.front() ? "" : "\t") + column.show(*row);
    }
    text += '\n';
  }
  return text;
}

std::string diff_summary(const DiffReport& report) {
  std::array<std::size_t, kBandVerdictNames.size()> bands{};
  std::size_t findings = 0;
  for (const DiffRow& row : report.rows) {
    ++bands[static_cast<std::size_t>(row.band_verdict)];
    findings += row.findings.size();
  }
  constexpr std::array<std::string_view, 5> kWords = {
      "equal, as they had to be", "below the band of their format", "inside their band",
      "above their band", "without a band"};
  std::string text = plural(report.rows.size(), "tensor");
  std::string_view before = ": ";
  for (std::size_t i = 0; i < bands.size(); ++i) {
    if (bands[i] == 0) continue;
    text += fmt::format("{}{} {}", before, bands[i], kWords[i]);
    before = ", ";
  }
  return text + "; " + (findings == 0 ? "no finding" : plural(findings, "finding"));
}

}  // namespace refute::instruments
