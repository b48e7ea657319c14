#include "harness/instruments/quant_diff_cells.hpp"

#include <fmt/format.h>

#include "harness/instruments/quant_diff_place.hpp"
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

}  // namespace

const DiffCells& diff_heading() {
  static const DiffCells cells = {"tensor",  "type",       "values",     "rmse",  "cosine",
                                  "max |d|", "rel. error", "norm ratio", "worst", "verdict"};
  return cells;
}

DiffCells diff_cells(const DiffRow& row) {
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

bool right_aligned(std::size_t column) {
  return column >= 2 && column <= 7;
}

}  // namespace refute::instruments
