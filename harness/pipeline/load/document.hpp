#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/pipeline/load/line_index.hpp"
#include "harness/pipeline/load/schema.hpp"
#include "harness/pipeline/load/span_tree.hpp"

namespace refute::pipeline {

/// One contract file as it was read. Not movable: the line index looks into the text.
struct Document {
  explicit Document(std::string file_name, std::string bytes);
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  std::string file;  ///< as the user named it
  std::string stem;  ///< crux-B-11-v1
  std::string text;  ///< without a byte order mark
  LineIndex lines;
  SpanNode root;
  bool complete = false;      ///< read to its end without a syntax error
  bool machine_read = false;  ///< some claim carries `parameters`

  /// An error in a contract that refute binds, a warning in somebody else's.
  Severity graded() const { return machine_read ? Severity::error : Severity::warning; }
  /// The same, one step lower.
  Severity remark() const { return machine_read ? Severity::warning : Severity::info; }

  /// The maps in a list section; empty when the section is absent or of another shape.
  std::vector<const SpanNode*> entries(std::string_view section) const;
  std::vector<const SpanNode*> claims() const { return entries("falsification_tests"); }
  std::vector<std::string> equation_names() const;
  const SpanNode* equation(std::string_view name) const;
  std::string_view metadata_text(std::string_view key) const;

  /// `metadata.id`, else the stem in capitals without its -vN.
  std::string contract_id() const;

  /// Where a stretch of a scalar's text stands in the file; the scalar's own place when that cannot
  /// be told.
  Span place_in(const SpanNode& scalar, std::size_t offset, std::size_t length) const;
};

/// The scalar texts of a node: itself, or its items.
std::vector<const SpanNode*> text_nodes(const SpanNode* node);

}  // namespace refute::pipeline
