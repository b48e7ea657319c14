#include <algorithm>

#include "harness/json/json.hpp"
#include "harness/pipeline/load/diagnostics.hpp"

namespace refute::pipeline {
namespace {

// Members are set one by one: in larger braced lists of values g++ 12 sees uninitialised memory
// that is not there.
Value place(int line, int column) {
  Value out;
  out.set("line", Value(line));
  out.set("column", Value(column));
  return out;
}

void set_places(Value& out, const Span& span) {
  if (span.line <= 0) return;
  out.set("start", place(span.line, span.column));
  out.set("end", place(span.end_line, span.end_column));
}

Value finding(const Diagnostic& d) {
  Value out;
  out.set("code", Value(d.code));
  out.set("severity", Value(to_string(d.severity)));
  out.set("file", Value(d.file));
  set_places(out, d.span);
  out.set("pointer", Value(d.pointer));
  out.set("message", Value(d.message));
  out.set("help", Value(d.help));
  return out;
}

Value exit_statuses(const std::vector<ExitCode>& codes) {
  Value out(Value::List{});
  for (const ExitCode code : codes) out.push(Value(static_cast<int>(code)));
  return out;
}

Value count(const LoadResult& result, Severity severity) {
  return Value(static_cast<std::int64_t>(
      std::ranges::count(result.diagnostics, severity, &Diagnostic::severity)));
}

Value list_of_files(const LoadResult& result) {
  Value out(Value::List{});
  for (const SourceText& source : result.sources) out.push(Value(source.file));
  return out;
}

Value list_of_unreadable(const LoadResult& result) {
  Value out(Value::List{});
  for (const Error& e : result.unreadable) {
    Value& entry = out.push(Value(Value::Map{}));
    entry.set("message", Value(e.what));
    entry.set("help", Value(e.hint));
  }
  return out;
}

}  // namespace

std::string render_json(const LoadResult& result, const RenderOptions& options) {
  Value findings(Value::List{});
  for (const Diagnostic& d : result.diagnostics) findings.push(finding(d));
  const std::vector<ExitCode> exits = exit_codes(result, options.strict);
  Value document;
  document.set("schema", Value("refute-validate/1"));
  document.set("exit_status", Value(static_cast<int>(exits.front())));
  document.set("exit_statuses", exit_statuses(exits));
  document.set("errors", count(result, Severity::error));
  document.set("warnings", count(result, Severity::warning));
  document.set("infos", count(result, Severity::info));
  document.set("files", list_of_files(result));
  document.set("unreadable", list_of_unreadable(result));
  document.set("findings", std::move(findings));
  return json::dump_pretty(document);
}

}  // namespace refute::pipeline
