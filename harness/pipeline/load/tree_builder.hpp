#pragma once

// Builds the span tree from parser events. Knows YAML, but no parser: events come with byte offsets
// only.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/pipeline/load/findings.hpp"
#include "harness/pipeline/load/line_index.hpp"
#include "harness/pipeline/load/span_tree.hpp"

namespace refute::pipeline {

/// What `add_*` wants its caller to do next.
enum class Next { go_on, stop };

class TreeBuilder {
 public:
  TreeBuilder(std::string_view text, const LineIndex& lines, Findings& findings)
      : text_(text), lines_(lines), findings_(findings) {}

  Next add_null(std::size_t at);
  Next add_alias(std::size_t at);
  Next add_scalar(std::size_t at, const std::string& value);
  Next open(SpanNode::Kind kind, bool flow, std::size_t at);
  void close();

  /// The tree as far as it came; what was still open when reading stopped is left out, but for the
  /// root.
  SpanNode take_root(bool complete);

  /// Where a quote was opened that ran over several lines and ended on the line of `at`: when the
  /// text is wrong there, that quote is the likely reason.
  std::optional<std::size_t> runaway_quote(std::size_t at) const;
  /// The innermost bracket that was opened and not closed.
  std::optional<Span> open_bracket() const;

 private:
  struct Frame {
    SpanNode node;
    std::string key;
    Span key_span;
    std::size_t key_end = 0;
    bool key_read = false;
    bool is_key = false;  ///< this collection stands where a key should; it is reported and dropped
    bool flow = false;
  };

  Next count();
  void refuse_properties(std::size_t at);
  void check_tab(std::size_t at);
  bool wants_key() const;
  void check_block_key(std::size_t at, const SpanNode& key);
  void take_key(SpanNode node);
  void attach(SpanNode node);
  Span place_of_null(std::size_t at) const;
  std::size_t end_of_scalar(std::size_t at, const std::string& value, SpanNode::Style style);
  void report_duplicates(const SpanNode& map);

  std::string_view text_;
  const LineIndex& lines_;
  Findings& findings_;
  std::vector<Frame> stack_;
  SpanNode root_;
  std::size_t last_end_ = 0;
  std::size_t quote_begin_ = 0, quote_end_ = 0;  ///< of the last quoted text that spans lines
  int nodes_ = 0;
  bool stopped_ = false;
};

}  // namespace refute::pipeline
