#include "harness/pipeline/load/line_index.hpp"

#include <algorithm>

namespace refute::pipeline {
namespace {

constexpr std::size_t kBlock = 64;

bool starts_code_point(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}

}  // namespace

LineIndex::LineIndex(std::string_view text) : text_(text), line_starts_{0} {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % kBlock == 0) block_counts_.push_back(count);
    if (starts_code_point(text[i])) ++count;
    if (text[i] == '\n') line_starts_.push_back(i + 1);
  }
  if (text.size() % kBlock == 0) block_counts_.push_back(count);
  all_ascii_ = count == text.size();
}

std::size_t LineIndex::code_points_before(std::size_t offset) const {
  if (all_ascii_) return offset;
  const std::size_t block = offset / kBlock;
  std::size_t count = block_counts_[block];
  for (std::size_t i = block * kBlock; i < offset; ++i) count += starts_code_point(text_[i]);
  return count;
}

LineIndex::Place LineIndex::place(std::size_t offset) const {
  offset = std::min(offset, text_.size());
  const auto after = std::ranges::upper_bound(line_starts_, offset);
  const auto line = static_cast<int>(after - line_starts_.begin());
  const std::size_t start = line_starts_[static_cast<std::size_t>(line) - 1];
  return {line, static_cast<int>(code_points_before(offset) - code_points_before(start)) + 1};
}

Span LineIndex::span(std::size_t begin, std::size_t end) const {
  const Place from = place(begin);
  const Place to = place(std::max(begin, end));
  return {from.line, from.column, to.line, to.column};
}

std::size_t LineIndex::line_start(int number) const {
  if (number < 1 || number > line_count()) return text_.size();
  return line_starts_[static_cast<std::size_t>(number) - 1];
}

std::string_view LineIndex::line(int number) const {
  if (number < 1 || number > line_count()) return {};
  std::string_view rest = text_.substr(line_start(number));
  rest = rest.substr(0, rest.find('\n'));
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  return rest;
}

}  // namespace refute::pipeline
