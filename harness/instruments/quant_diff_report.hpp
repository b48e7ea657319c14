#pragma once

// How a diff is shown. Pure.

#include <string>
#include <vector>

#include "harness/instruments/quant_diff.hpp"
#include "harness/model/value.hpp"

namespace refute::instruments {

struct DiffReportOptions {
  std::size_t top = 0;                     ///< so many rows, and every one with a finding; 0: all
  bool color = false;                      ///< text only
  std::string reference = {}, other = {};  ///< as the user named them
  std::string picture = {};                ///< path of the SVG, for Markdown to show; may be empty
};

/// The rows that are shown, in their order.
std::vector<const DiffRow*> shown_rows(const DiffReport& report, std::size_t top);

/// A list of rows. Numbers that are not there are null, and a finding says why.
Value diff_value(const DiffReport& report, const DiffReportOptions& options);

/// A header line, then a line per row; empty where there is no number. Tabs, line ends and control
/// characters in names become \xNN.
std::string diff_tsv(const DiffReport& report, const DiffReportOptions& options);

/// For a terminal, and for a pull request.
std::string diff_text(const DiffReport& report, const DiffReportOptions& options);
std::string diff_markdown(const DiffReport& report, const DiffReportOptions& options);

/// A page by itself, with the picture in it.
std::string diff_html(const DiffReport& report, const DiffReportOptions& options);

/// "42 tensors: 40 inside their band, 2 above it; 1 finding".
std::string diff_summary(const DiffReport& report);

}  // namespace refute::instruments
