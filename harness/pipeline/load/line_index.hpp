#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "harness/model/diagnostic.hpp"

namespace refute::pipeline {

/// Turns byte offsets of a text into lines and columns (from 1, columns in code points) in
/// logarithmic time, also on a single line of a mebibyte.
class LineIndex {
 public:
  explicit LineIndex(std::string_view text);

  /// The place from `begin` to `end` (exclusive). Offsets beyond the text are taken as its end.
  Span span(std::size_t begin, std::size_t end) const;

  int line_count() const { return static_cast<int>(line_starts_.size()); }
  /// The line's text without its line break; empty for a line that does not exist.
  std::string_view line(int number) const;
  std::size_t line_start(int number) const;

 private:
  struct Place {
    int line, column;
  };
  Place place(std::size_t offset) const;
  std::size_t code_points_before(std::size_t offset) const;

  std::string_view text_;
  std::vector<std::size_t> line_starts_;
  std::vector<std::size_t> block_counts_;  ///< code points before each block of kBlock bytes
  bool all_ascii_ = false;                 ///< then a column is a difference of offsets
};

}  // namespace refute::pipeline
