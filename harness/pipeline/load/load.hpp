#pragma once

// The only home of yaml-cpp.

#include <optional>
#include <string_view>

#include "harness/pipeline/load/findings.hpp"
#include "harness/pipeline/load/line_index.hpp"
#include "harness/pipeline/load/span_tree.hpp"

namespace refute::pipeline {

constexpr int kMostDepth = 64;
constexpr int kMostNodes = 100'000;

struct ParsedYaml {
  SpanNode root;
  bool complete = false;  ///< false: the text was not understood to its end; what is there was read
                          ///< before or after
};

/// Reads YAML as plain data: one document, no anchors, aliases, merge keys or tags, every key once.
/// Everything against that is reported. After a syntax error reading goes on at the next key in
/// column 1, so that one slip does not hide the others. `text` has passed scan_bytes.
ParsedYaml parse_yaml(std::string_view text, const LineIndex& lines, Findings& findings);

}  // namespace refute::pipeline
