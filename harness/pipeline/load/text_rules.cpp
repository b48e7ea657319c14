#include "harness/pipeline/load/text_rules.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>

#include "harness/pipeline/load/scalar.hpp"

namespace refute::pipeline {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_letter(char c) {
  return is_upper(c) || (c >= 'a' && c <= 'z');
}

bool digits_only(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

bool plain_number(std::string_view text) {
  return digits_only(text) && (text.size() == 1 || text[0] != '0');
}

// Dot-separated identifiers; numeric ones of a pre-release carry no leading zero.
bool identifiers(std::string_view text, bool pre_release) {
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    const auto allowed = [](char c) { return is_digit(c) || is_letter(c) || c == '-'; };
    if (part.empty() || !std::ranges::all_of(part, allowed)) return false;
    if (pre_release && digits_only(part) && !plain_number(part)) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

int number(std::string_view text) {
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

int days_in(int year, int month) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return kDays[static_cast<std::size_t>(month) - 1] + (month == 2 && leap ? 1 : 0);
}

char folded_case(char c) {
  if (is_upper(c)) return static_cast<char>(c - 'A' + 'a');
  return c == '-' || c == ' ' ? '_' : c;
}

}  // namespace

bool is_semantic_version(std::string_view text) {
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos && !identifiers(text.substr(plus + 1), false)) return false;
  text = text.substr(0, plus);
  const std::size_t dash = text.find('-');
  if (dash != std::string_view::npos && !identifiers(text.substr(dash + 1), true)) return false;
  text = text.substr(0, dash);
  const std::size_t first = text.find('.');
  if (first == std::string_view::npos) return false;
  const std::size_t second = text.find('.', first + 1);
  if (second == std::string_view::npos) return false;
  return plain_number(text.substr(0, first)) &&
         plain_number(text.substr(first + 1, second - first - 1)) &&
         plain_number(text.substr(second + 1));
}

bool is_date(std::string_view text) {
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') return false;
  if (text.size() > 10 && text[10] != 'T' && text[10] != ' ') return false;
  const std::string_view y = text.substr(0, 4), m = text.substr(5, 2), d = text.substr(8, 2);
  if (!digits_only(y) || !digits_only(m) || !digits_only(d)) return false;
  const int year = number(y), month = number(m), day = number(d);
  return year >= 1900 && month >= 1 && month <= 12 && day >= 1 && day <= days_in(year, month);
}

bool is_blank_text(std::string_view text) {
  // The blanks of Unicode beyond ASCII, in UTF-8.
  constexpr auto kBlanks = std::to_array<std::string_view>(
      {"\xC2\xA0",     "\xC2\x85",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
       "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
       "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\x8B",
       "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80",
       "\xEF\xBB\xBF"});
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    const auto blank =
        std::ranges::find_if(kBlanks, [text](std::string_view b) { return text.starts_with(b); });
    if (blank == kBlanks.end()) return false;
    text.remove_prefix(blank->size());
  }
  return true;
}

bool is_placeholder(std::string_view text) {
  constexpr auto kWhole = std::to_array<std::string_view>(
      {"tbd", "todo", "fixme", "xxx", "placeholder", "to_be_done", "to_be_defined",
       "to_be_determined", "tba", "fill_in", "fill_me_in", "lorem_ipsum", "wip", "asdf"});
  const std::string_view core = trimmed(text);
  const bool only_marks =
      !core.empty() && core.find_first_not_of(".-?_*! ") == std::string_view::npos;
  if (only_marks || core == "…" || core == "—") return true;
  std::string_view word = core;
  while (!word.empty() && (word.back() == '.' || word.back() == '!' || word.back() == ':'))
    word.remove_suffix(1);
  return std::ranges::any_of(kWhole, [&](std::string_view w) { return same_word(w, word); });
}

std::optional<std::string_view> placeholder_word(std::string_view text) {
  for (const std::string_view word : {"TODO", "TBD", "FIXME", "XXX"}) {
    for (std::size_t at = text.find(word); at != std::string_view::npos;
         at = text.find(word, at + 1)) {
      const bool starts =
          at == 0 || (!is_letter(text[at - 1]) && !is_digit(text[at - 1]) && text[at - 1] != '-' &&
                      text[at - 1] != '_' && text[at - 1] != '"' && text[at - 1] != '\'' &&
                      text[at - 1] != '`');
      const std::size_t end = at + word.size();
      const bool ends = end == text.size() || (!is_letter(text[end]) && !is_digit(text[end]) &&
                                               text[end] != '_' && text[end] != '-');
      if (starts && ends) return text.substr(at, word.size());
    }
  }
  return std::nullopt;
}

bool is_claim_id(std::string_view text) {
  std::string_view last;
  int parts = 0;
  while (true) {
    const std::size_t dash = text.find('-');
    const std::string_view part = text.substr(0, dash);
    const auto allowed = [](char c) { return is_digit(c) || is_upper(c); };
    if (part.empty() || !std::ranges::all_of(part, allowed)) return false;
    last = part;
    ++parts;
    if (dash == std::string_view::npos) break;
    text.remove_prefix(dash + 1);
  }
  return parts >= 3 && last.size() >= 2 && digits_only(last);
}

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return folded_case(x) == folded_case(y); });
}

std::string_view without_suffix(std::string_view text, std::string_view suffix) {
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  return text;
}

}  // namespace refute::pipeline
