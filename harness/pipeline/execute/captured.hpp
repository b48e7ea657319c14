#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace refute::pipeline {

/// What a child wrote to one stream: the first and the last bytes, and a count of what lay between.
/// A stream of any length costs at most `head + tail` bytes.
class Captured {
 public:
  Captured() = default;
  Captured(std::size_t head, std::size_t tail) : head_limit_(head), tail_limit_(tail) {}

  void append(std::string_view bytes);

  std::uint64_t total() const { return total_; }
  std::uint64_t dropped() const;
  /// Head and tail, with a line between them that says how many bytes were left out.
  std::string text() const;

 private:
  std::size_t head_limit_ = 32u << 10, tail_limit_ = 32u << 10;
  std::uint64_t total_ = 0;
  std::string head_, tail_;  ///< tail_ grows to twice its limit before it is cut
};

}  // namespace refute::pipeline
