#pragma once

// Findings as a terminal, a program, a code-scanning service or a pull request wants them. Pure:
// values in, text out.

#include <string>
#include <vector>

#include "harness/model/diagnostic.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/pipeline/load/load_contracts.hpp"

namespace refute::pipeline {

struct RenderOptions {
  bool color = false;
  bool strict = false;  ///< only said in the summary: warnings fail
};

/// One block a finding with the line it is about, then a summary line.
std::string render_text(const LoadResult& result, const RenderOptions& options);

/// The last line of the text form: "2 errors, 1 warning in 3 files".
std::string summary_line(const LoadResult& result);

/// One JSON document with every finding, every unreadable path and every exit status that applies.
std::string render_json(const LoadResult& result, const RenderOptions& options);

/// SARIF 2.1.0. Columns are code points, as the run's columnKind says.
std::string render_sarif(const LoadResult& result);

/// Workflow commands (`::error file=…,line=…::…`) that GitHub shows beside the changed lines.
std::string render_github(const LoadResult& result);

constexpr std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "error";
    case Severity::warning:
      return "warning";
    case Severity::info:
      return "info";
  }
  return "error";
}

}  // namespace refute::pipeline
