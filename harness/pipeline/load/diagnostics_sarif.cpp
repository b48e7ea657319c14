// SARIF 2.1.0 (OASIS, 2020). Section numbers are that document's.

#include <algorithm>
#include <map>

#include "harness/json/json.hpp"
#include "harness/pipeline/load/codes.hpp"
#include "harness/pipeline/load/diagnostics.hpp"
#include "harness/pipeline/load/explain.hpp"

namespace refute::pipeline {
namespace {

Value text(std::string_view words) {
  return Value(Value::Map{{"text", Value(words)}});
}

std::string_view level_of(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "error";
    case Severity::warning:
      return "warning";
    case Severity::info:
      return "note";
  }
  return "error";
}

// 3.10.1: an artifact location is a URI, so what no URI may hold is percent-encoded.
std::string uri_of(std::string_view path) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kKept = "-._~/!$&'()*+,;=@";
  while (path.starts_with("./")) path.remove_prefix(2);
  std::string out = path.starts_with('/') ? "file://" : "";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || kKept.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

// 3.30: lines and columns from 1, the end column one past the last character.
Value region_of(const Span& s) {
  return Value(Value::Map{{"startLine", Value(s.line)},
                          {"startColumn", Value(s.column)},
                          {"endLine", Value(s.end_line)},
                          {"endColumn", Value(s.end_column)}});
}

Value location_of(const Diagnostic& d) {
  Value physical(
      Value::Map{{"artifactLocation", Value(Value::Map{{"uri", Value(uri_of(d.file))}})}});
  if (d.span.line > 0) physical.set("region", region_of(d.span));
  Value location(Value::Map{{"physicalLocation", std::move(physical)}});
  if (!d.pointer.empty()) {
    const Value logical(Value::Map{{"fullyQualifiedName", Value(d.pointer)}, {"kind", "member"}});
    location.set("logicalLocations", Value(Value::List{logical}));
  }
  return location;
}

using RuleIndex = std::map<std::string_view, int>;

Value result_of(const Diagnostic& d, const RuleIndex& rules) {
  const std::string message = d.help.empty() ? d.message : d.message + ". Help: " + d.help;
  return Value(Value::Map{{"ruleId", Value(d.code)},
                          {"ruleIndex", Value(rules.at(d.code))},
                          {"level", Value(level_of(d.severity))},
                          {"message", text(message)},
                          {"locations", Value(Value::List{location_of(d)})}});
}

Value rule_of(const CodeRow& row) {
  const Explanation& more = explanation_of(row);
  return Value(Value::Map{{"id", Value(row.code)},
                          {"shortDescription", text(row.title)},
                          {"fullDescription", text(more.why)},
                          {"help", text(std::string("Wrong:\n") + std::string(more.wrong) +
                                        "\nRight:\n" + std::string(more.right))}});
}

// 3.20.21: a path that could not be read is no result about a file's text but a notification about
// the run.
Value notification_of(const Error& e) {
  const std::string words = e.hint.empty() ? e.what : e.what + ". " + e.hint;
  return Value(Value::Map{{"level", "error"}, {"message", text(words)}});
}

}  // namespace

std::string render_sarif(const LoadResult& result) {
  RuleIndex index;
  Value::List rules, results, notifications;
  for (const CodeRow& row : kCodes) {
    index.emplace(row.code, static_cast<int>(rules.size()));
    rules.push_back(rule_of(row));
  }
  for (const Diagnostic& d : result.diagnostics) results.push_back(result_of(d, index));
  for (const Error& e : result.unreadable) notifications.push_back(notification_of(e));
  const Value driver(Value::Map{
      {"name", "refute"}, {"semanticVersion", REFUTE_VERSION}, {"rules", Value(std::move(rules))}});
  Value invocation(Value::Map{{"executionSuccessful", Value(result.unreadable.empty())}});
  invocation.set("toolExecutionNotifications", Value(std::move(notifications)));
  const Value run(Value::Map{{"tool", Value(Value::Map{{"driver", driver}})},
                             {"columnKind", "unicodeCodePoints"},
                             {"invocations", Value(Value::List{invocation})},
                             {"results", Value(std::move(results))}});
  const Value log(Value::Map{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                             {"version", "2.1.0"},
                             {"runs", Value(Value::List{run})}});
  return json::dump_pretty(log);
}

}  // namespace refute::pipeline
