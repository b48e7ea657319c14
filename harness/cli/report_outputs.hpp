#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/pipeline/judge/report.hpp"

namespace refute::cli {

/// Where a report goes and how it looks: "--output md=build/report.md".
struct ReportOutput {
  std::string format, path;
};

/// "text, json, md, junit"
std::string report_format_names();
bool is_report_format(const std::string& format);
/// Reads FORMAT=PATH.
Result<ReportOutput> parse_output(const std::string& text);

/// The report in one of the formats.
/// Whether the file can be written, as far as can be told beforehand: a long run must not end in
/// a report that has nowhere to go.
std::optional<Error> check_output(const ReportOutput& output);

std::string render_report(const pipeline::RunReport& report, const std::string& format, bool color);
/// Writes it to a file, making the folder; the old file stays until the new one is whole.
[[nodiscard]] std::optional<Error> write_report(const pipeline::RunReport& report,
                                                const ReportOutput& output);

}  // namespace refute::cli
