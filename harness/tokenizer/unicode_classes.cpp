#include "harness/tokenizer/unicode_classes.hpp"

#include <algorithm>
#include <iterator>
#include <span>

namespace refute::tokenizer {
namespace {

struct Range {
  char32_t first, last;
};

#include "harness/tokenizer/unicode_classes.inc"

bool in(std::span<const Range> ranges, char32_t point) {
  const auto after = std::ranges::upper_bound(ranges, point, {}, &Range::first);
  return after != ranges.begin() && point <= std::prev(after)->last;
}

}  // namespace

bool is_letter(char32_t point) {
  return in(kLetters, point);
}

bool is_number(char32_t point) {
  return in(kNumbers, point);
}

bool may_change_in_nfc(char32_t point) {
  return in(kMayChangeInNfc, point);
}

bool is_space(char32_t point) {
  constexpr Range kSpaces[] = {
      {0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
      {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
  return in(kSpaces, point);
}

CodePoint code_point(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const auto rest = [&](std::size_t i) { return static_cast<char32_t>(byte(i) & 0x3F); };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xE0) return {(byte(0) & 0x1Fu) << 6 | rest(1), 2};
  if (byte(0) < 0xF0) return {(byte(0) & 0x0Fu) << 12 | rest(1) << 6 | rest(2), 3};
  return {(byte(0) & 0x07u) << 18 | rest(1) << 12 | rest(2) << 6 | rest(3), 4};
}

}  // namespace refute::tokenizer
