#include "harness/pipeline/load/shell_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "harness/pipeline/load/scalar.hpp"

namespace refute::pipeline {
namespace {

constexpr auto kCommands = std::to_array<std::string_view>(
    {"true",  "false",   ":",       "exit",   "cargo",      "apr",
     "pv",    "test",    "[",       "[[",     "grep",       "rg",
     "jq",    "python",  "python3", "bash",   "sh",         "curl",
     "diff",  "cmp",     "make",    "set",    "if",         "for",
     "while", "command", "which",   "cat",    "awk",        "sed",
     "find",  "ls",      "mkdir",   "cp",     "mv",         "rm",
     "cd",    "export",  "timeout", "refute", "ninja",      "meson",
     "cmake", "ctest",   "pytest",  "nvcc",   "sha256sum",  "wc",
     "tee",   "!",       "(",       "{",      "uv",         "npm",
     "go",    "lake",    "lean",    "kani",   "nvidia-smi", "llama-quantize",
     "yq",    "xargs",   "tmp"});
// Commands that are English words too: they are shell only with shell's punctuation beside them.
constexpr auto kEnglish = std::to_array<std::string_view>(
    {"test", "set", "if", "for", "while", "command", "which", "find", "make", "go", "lean", "true",
     "false", "cat", "exit", "time"});
constexpr auto kConditions =
    std::to_array<std::string_view>({"if", "elif", "while", "until", "then", "else", "do", "case"});
constexpr auto kDropped =
    std::to_array<std::string_view>({"if", "elif", "while", "until", "then", "else", "do", "{", "}",
                                     "(", ")", "!", "fi", "done", "time"});

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, word) != words.end();
}

bool is_assignment(std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals == 0 || equals == std::string_view::npos) return false;
  return std::ranges::all_of(word.substr(0, equals), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
}

// Walks over the text, keeping account of quotes and of `$(…)`.
class Quotes {
 public:
  /// False while the character belongs to a quoted or substituted stretch.
  bool outside(std::string_view text, std::size_t i) {
    const char c = text[i];
    if (skip_) {
      skip_ = false;
      return false;
    }
    if (c == '\\' && quote_ != '\'') {
      skip_ = true;
      return false;
    }
    if (quote_ != 0) {
      if (c == quote_) quote_ = 0;
      return false;
    }
    if (c == '\'' || c == '"' || c == '`') {
      quote_ = c;
      return false;
    }
    if (c == '(' && i > 0 && (text[i - 1] == '$' || depth_ > 0)) {
      ++depth_;
      return false;
    }
    if (c == ')' && depth_ > 0) {
      --depth_;
      return false;
    }
    return depth_ == 0;
  }

 private:
  char quote_ = 0;
  bool skip_ = false;
  int depth_ = 0;
};

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  Quotes quotes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool gap =
        quotes.outside(text, i) && std::isspace(static_cast<unsigned char>(text[i])) != 0;
    if (!gap) {
      word += text[i];
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

void add_command(std::vector<ShellCommand>& commands, std::string_view text, std::size_t begin,
                 std::size_t end, Joint after, int& nesting) {
  while (begin < end && std::isspace(static_cast<unsigned char>(text[begin])) != 0) ++begin;
  const std::string_view body = trimmed(text.substr(begin, end - begin));
  ShellCommand command{std::string(body), split_words(body), begin, after, nesting > 0};
  for (const std::string& word : command.words) {
    if (is_one_of(std::string_view(word), kConditions)) command.conditional = true;
    if (word == "if" || word == "while" || word == "for" || word == "case" || word == "until" ||
        word == "{")
      ++nesting;
    if ((word == "fi" || word == "done" || word == "esac" || word == "}") && nesting > 0) --nesting;
  }
  while (!command.words.empty() && is_one_of(std::string_view(command.words.front()), kDropped))
    command.words.erase(command.words.begin());
  if (!command.words.empty()) commands.push_back(std::move(command));
}

std::size_t joint_length(std::string_view text, std::size_t i, Joint& joint) {
  const std::string_view rest = text.substr(i);
  if (rest.starts_with("&&")) return joint = Joint::and_then, 2;
  if (rest.starts_with("||")) return joint = Joint::or_else, 2;
  if (rest.starts_with("|")) return joint = Joint::pipe, 1;
  if (rest.starts_with(";") || rest.starts_with("\n")) return joint = Joint::sequence, 1;
  return 0;
}

bool starts_comment(std::string_view text, std::size_t i) {
  return text[i] == '#' && (i == 0 || std::isspace(static_cast<unsigned char>(text[i - 1])) != 0);
}

}  // namespace

std::vector<ShellCommand> read_shell(std::string_view text) {
  std::vector<ShellCommand> commands;
  Quotes quotes;
  std::size_t begin = 0;
  int nesting = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!quotes.outside(text, i)) continue;
    if (starts_comment(text, i)) {
      add_command(commands, text, begin, i, Joint::sequence, nesting);
      i = std::min(text.find('\n', i), text.size());
      begin = std::min(i + 1, text.size());
      continue;
    }
    Joint joint = Joint::end;
    const std::size_t length = joint_length(text, i, joint);
    if (length == 0) continue;
    add_command(commands, text, begin, i, joint, nesting);
    i += length - 1;
    begin = i + 1;
  }
  if (begin < text.size()) add_command(commands, text, begin, text.size(), Joint::end, nesting);
  return commands;
}

bool looks_like_shell(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with("#!")) return true;
  const std::vector<std::string> words = split_words(text.substr(0, 2000));
  if (words.empty()) return false;
  const std::string_view first = words.front();
  if (words.size() == 2 && first == "exit") return true;
  if (is_assignment(first) || first.starts_with("./") || first.starts_with("$")) return true;
  if (words.size() == 1)
    return is_one_of(first, std::to_array<std::string_view>({"true", "false", ":"}));
  if (first.ends_with(";") && is_one_of(first.substr(0, first.size() - 1), kCommands)) return true;
  if (!is_one_of(first, kCommands)) return false;
  if (!is_one_of(first, kEnglish)) return true;
  return text.find_first_of("$|;&<>\n") != std::string_view::npos || words[1].starts_with("-");
}

}  // namespace refute::pipeline
