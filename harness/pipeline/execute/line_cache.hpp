#pragma once

#include <string>
#include <vector>

#include "harness/model/value.hpp"

namespace refute::pipeline {

/// A cache on disk: one JSON object per line, only ever appended to. It holds nothing that cannot
/// be made again, so whatever is wrong with it is a warning and a slower run, never a failure.
class LineCache {
 public:
  /// Reads what is there. An empty path is a cache that keeps nothing.
  explicit LineCache(std::string path);

  const std::vector<Value>& lines() const { return lines_; }
  void append(const Value& line);
  /// Each says the file and what was ignored.
  const std::vector<std::string>& warnings() const { return warnings_; }
  void warn(std::string what);

 private:
  void read();

  std::string path_;
  std::vector<Value> lines_;
  std::vector<std::string> warnings_;
  bool cut_off_ = false;  ///< the last line has no newline: somebody was killed while writing it
  bool writable_ = true;
};

}  // namespace refute::pipeline
