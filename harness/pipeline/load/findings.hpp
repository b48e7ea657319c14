#pragma once

#include <string>
#include <string_view>

#include "harness/model/diagnostic.hpp"
#include "harness/pipeline/load/codes.hpp"
#include "harness/pipeline/load/span_tree.hpp"

namespace refute::pipeline {

/// Collects what is found in one file. Bounded: a hostile file cannot make a million of them; the
/// last says so.
class Findings {
 public:
  static constexpr std::size_t kMost = 500;

  explicit Findings(std::string file) : file_(std::move(file)) {}

  /// Pointers are looked up in this tree from now on. It must outlive the calls of `add`.
  void set_root(const SpanNode* root) { root_ = root; }

  void add(Code code, Severity severity, Span span, std::string message, std::string help = {});
  /// The place is the node's.
  void add(Code code, Severity severity, const SpanNode& node, std::string message,
           std::string help = {});
  /// The place is the member's key.
  void add(Code code, Severity severity, const SpanMember& member, std::string message,
           std::string help = {});

  const std::string& file() const { return file_; }
  const Diagnostics& all() const { return found_; }
  Diagnostics take() { return std::move(found_); }
  bool has_errors() const;

 private:
  void push(Code code, Severity severity, Span span, std::string pointer, std::string message,
            std::string help);

  std::string pointer(const SpanNode& node) const;

  std::string file_;
  const SpanNode* root_ = nullptr;
  Diagnostics found_;
};

/// By file, line, column, code, message: the order in which everything is printed.
void sort_diagnostics(Diagnostics& diagnostics);

}  // namespace refute::pipeline
