#include <fmt/format.h>

#include "harness/pipeline/load/diagnostics.hpp"

namespace refute::pipeline {
namespace {

// A message ends at a line break and `%` starts an escape; properties end at `,` and `:` as well.
std::string escaped(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    const bool special = c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','));
    if (special) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string_view command_of(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "error";
    case Severity::warning:
      return "warning";
    case Severity::info:
      return "notice";
  }
  return "error";
}

// GitHub ignores columns unless the finding begins and ends on one line.
std::string place_of(const Span& s) {
  if (s.line <= 0) return "";
  std::string out = fmt::format(",line={},endLine={}", s.line, s.end_line);
  if (s.line == s.end_line) out += fmt::format(",col={},endColumn={}", s.column, s.end_column);
  return out;
}

}  // namespace

std::string render_github(const LoadResult& result) {
  std::string out;
  for (const Diagnostic& d : result.diagnostics) {
    const std::string words = d.help.empty() ? d.message : d.message + "\n" + d.help;
    out += fmt::format("::{} file={}{},title={}::{}\n", command_of(d.severity),
                       escaped(d.file, true), place_of(d.span), d.code, escaped(words, false));
  }
  for (const Error& e : result.unreadable)
    out += fmt::format("::error title=unreadable::{}\n", escaped(e.what, false));
  return out;
}

}  // namespace refute::pipeline
