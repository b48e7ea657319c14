#include "harness/pipeline/load/findings.hpp"

#include <algorithm>
#include <tuple>

namespace refute::pipeline {

void Findings::push(Code code, Severity severity, Span span, std::string pointer,
                    std::string message, std::string help) {
  if (found_.size() > kMost) return;
  if (found_.size() == kMost) {
    found_.push_back(
        {"RF0118", Severity::error, file_, Span{}, "",
         "more than " + std::to_string(kMost) + " findings in this file; the rest is not listed",
         "correct these first and validate again"});
    return;
  }
  found_.push_back({std::string(code.text()), severity, file_, span, std::move(pointer),
                    std::move(message), std::move(help)});
}

// Looking a pointer up walks the tree, so what will not be listed must not ask for one.
std::string Findings::pointer(const SpanNode& node) const {
  if (root_ == nullptr || found_.size() >= kMost) return {};
  return pointer_to(*root_, node);
}

void Findings::add(Code code, Severity severity, Span span, std::string message, std::string help) {
  push(code, severity, span, "", std::move(message), std::move(help));
}

void Findings::add(Code code, Severity severity, const SpanNode& node, std::string message,
                   std::string help) {
  push(code, severity, node.span, pointer(node), std::move(message), std::move(help));
}

void Findings::add(Code code, Severity severity, const SpanMember& member, std::string message,
                   std::string help) {
  push(code, severity, member.key_span, pointer(member.value), std::move(message), std::move(help));
}

bool Findings::has_errors() const {
  return std::ranges::any_of(found_,
                             [](const Diagnostic& d) { return d.severity == Severity::error; });
}

void sort_diagnostics(Diagnostics& diagnostics) {
  const auto key = [](const Diagnostic& d) {
    return std::tie(d.file, d.span.line, d.span.column, d.code, d.message, d.pointer);
  };
  std::ranges::stable_sort(
      diagnostics, [&](const Diagnostic& a, const Diagnostic& b) { return key(a) < key(b); });
}

}  // namespace refute::pipeline
