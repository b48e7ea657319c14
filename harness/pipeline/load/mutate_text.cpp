#include "harness/pipeline/load/mutate_text.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include "harness/pipeline/load/testing.hpp"

namespace refute::pipeline::testing {
namespace {

constexpr auto kDangerous = std::to_array<std::string_view>({":",
                                                             ": ",
                                                             "-",
                                                             "- ",
                                                             "'",
                                                             "\"",
                                                             "#",
                                                             " #",
                                                             "{",
                                                             "}",
                                                             "[",
                                                             "]",
                                                             ",",
                                                             "&a ",
                                                             "*a",
                                                             "!",
                                                             "!!str ",
                                                             "|",
                                                             ">",
                                                             "%",
                                                             "@",
                                                             "`",
                                                             "?",
                                                             "? ",
                                                             "\n",
                                                             "\t",
                                                             " ",
                                                             "  ",
                                                             "\r\n",
                                                             "---\n",
                                                             "...\n",
                                                             "<<: ",
                                                             "~",
                                                             "null",
                                                             "010",
                                                             ".inf",
                                                             "\\",
                                                             "\\x",
                                                             "é",
                                                             "→",
                                                             "\xEF\xBB\xBF",
                                                             "|-\n",
                                                             ">+\n",
                                                             "''",
                                                             "\"\"",
                                                             "0",
                                                             "=",
                                                             "x: y",
                                                             "\n\n",
                                                             "\n- ",
                                                             "\n  "});

void edit_once(std::string& text, Dice& dice) {
  const std::size_t at = dice.below(text.size() + 1);
  const std::size_t length = std::min(text.size() - at, dice.below(12));
  switch (dice.below(4)) {
    case 0:
      text.erase(at, length);
      return;
    case 1:
      text.insert(at, text.substr(at, length));
      return;
    case 2: {
      const std::size_t other = dice.below(text.size() + 1);
      text.insert(at, text.substr(other, length));
      return;
    }
    default:
      text.insert(at, kDangerous[dice.below(kDangerous.size())]);
  }
}

std::string random_word(Dice& dice) {
  constexpr auto kWords = std::to_array<std::string_view>(
      {"rule",   "a b",        "x-1",       "10",
       "1.5e-3", "true",       "~",         "null",
       "yes",    "010",        ".inf",      "é→ü",
       "a:b",    "http://x",   "#no",       "- no",
       "it's",   "say \"so\"", "tab\there", "back\\slash",
       "",       " ",          "a\nb",      "very long text with many words in it",
       "*no",    "&no",        "!no",       "[no",
       "{no",    "a, b",       "a]",        "%no",
       "@no",    "key: value", "?",         "-",
       "--- no", "| no"});
  return std::string(kWords[dice.below(kWords.size())]);
}

std::string double_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string scalar(Dice& dice) {
  std::string word = random_word(dice);
  const bool tame =
      word.find_first_of("\n\t#:,[]{}&*!|>'\"%@`?-~\\ ") == std::string::npos && !word.empty();
  if (tame && dice.below(2) == 0) return word;
  if (word.find('\n') == std::string::npos && word.find('\t') == std::string::npos &&
      dice.below(2) == 0) {
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? std::string("''") : std::string(1, c);
    return out + "'";
  }
  return double_quoted(word);
}

std::string flow(Dice& dice, int depth) {
  if (depth == 0 || dice.below(3) == 0) return scalar(dice);
  const bool map = dice.below(2) == 0;
  std::string out = map ? "{" : "[";
  const std::size_t count = dice.below(4);
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ", ";
    if (map) out += "k" + std::to_string(i) + ": ";
    out += flow(dice, depth - 1);
  }
  return out + (map ? "}" : "]");
}

void block(Dice& dice, int depth, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  const bool map = dice.below(2) == 0;
  const std::size_t count = 1 + dice.below(4);
  for (std::size_t i = 0; i < count; ++i) {
    out += margin + (map ? "k" + std::to_string(i) + ":" : std::string("-"));
    const std::size_t kind = dice.below(depth == 0 ? 3 : 4);
    if (kind == 0) {
      out += " " + flow(dice, 2) + (dice.below(4) == 0 ? "  # remark\n" : "\n");
    } else if (kind == 1) {
      out += dice.below(2) == 0 ? " |\n" : " >\n";
      out += margin + "  first line\n\n" + margin + "  second: line # kept\n";
    } else if (kind == 2) {
      out += dice.below(3) == 0 ? "\n" : " " + scalar(dice) + "\n";
    } else {
      out += "\n";
      block(dice, depth - 1, indent + 1 + dice.below(3), out);
    }
  }
}

}  // namespace

std::string mutated(std::string_view text, Dice& dice) {
  std::string out(text);
  const std::size_t edits = 1 + dice.below(4);
  for (std::size_t i = 0; i < edits; ++i) edit_once(out, dice);
  return out;
}

std::string random_yaml(Dice& dice) {
  std::string out;
  block(dice, 3, 0, out);
  return out;
}

std::vector<std::string> sample_texts() {
  std::vector<std::string> paths, texts;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(source_path("fixtures/sample_contracts"))) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path().string());
  }
  std::ranges::sort(paths);
  for (const std::string& path : paths) texts.push_back(read_text(path));
  return texts;
}

}  // namespace refute::pipeline::testing
