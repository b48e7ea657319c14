#include "harness/pipeline/execute/captured.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace refute::pipeline {

void Captured::append(std::string_view bytes) {
  total_ += bytes.size();
  const std::size_t to_head = std::min(bytes.size(), head_limit_ - head_.size());
  head_.append(bytes.substr(0, to_head));
  bytes.remove_prefix(to_head);
  if (bytes.size() > tail_limit_) bytes.remove_prefix(bytes.size() - tail_limit_);
  tail_.append(bytes);
  if (tail_.size() > 2 * tail_limit_) tail_.erase(0, tail_.size() - tail_limit_);
}

std::uint64_t Captured::dropped() const {
  return total_ - head_.size() - std::min(tail_.size(), tail_limit_);
}

std::string Captured::text() const {
  const std::size_t kept = std::min(tail_.size(), tail_limit_);
  const std::string_view tail = std::string_view(tail_).substr(tail_.size() - kept);
  if (dropped() == 0) return head_ + std::string(tail);
  return fmt::format("{}\n… {} bytes left out …\n{}", head_, dropped(), tail);
}

}  // namespace refute::pipeline
