#include "harness/tokenizer/pretokenize.hpp"

#include <array>

#include "harness/tokenizer/unicode_classes.hpp"

namespace refute::tokenizer {
namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Matches one alternative of the pattern after the other at a place of the text; each gives the
/// end of its match, or the place itself if there is none.
class Scanner {
 public:
  Scanner(Pattern pattern, std::string_view text) : pattern_(pattern), text_(text) {}

  std::size_t piece_end(std::size_t at) const {
    for (const auto alternative : {&Scanner::contraction, &Scanner::letters, &Scanner::numbers,
                                   &Scanner::others, &Scanner::newlines, &Scanner::spaces}) {
      if (const std::size_t end = (this->*alternative)(at); end != at) return end;
    }
    return at + code_point(text_, at).bytes;  // unreachable: every character is in one class
  }

 private:
  bool modern() const { return pattern_ != Pattern::gpt2; }

  template <class Predicate>
  std::size_t while_true(std::size_t at, Predicate predicate, std::size_t most = SIZE_MAX) const {
    for (; at < text_.size() && most > 0; --most) {
      const CodePoint point = code_point(text_, at);
      if (!predicate(point.value)) break;
      at += point.bytes;
    }
    return at;
  }

  static bool is_newline(char32_t c) { return c == '\r' || c == '\n'; }
  static bool is_other(char32_t c) { return !is_space(c) && !is_letter(c) && !is_number(c); }

  /// 's and the like; newer patterns take any case, and by Unicode's folding the long s too.
  std::size_t contraction(std::size_t at) const {
    if (text_[at] != '\'') return at;
    constexpr std::array<std::string_view, 7> kEndings = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (const std::string_view ending : kEndings) {
      std::size_t end = at + 1;
      bool same = true;
      for (const char c : ending) {
        same = same && end < text_.size() && lower(end) == static_cast<char32_t>(c);
        if (same) end += code_point(text_, end).bytes;
      }
      if (same) return end;
    }
    return at;
  }
  char32_t lower(std::size_t at) const {
    const char32_t c = code_point(text_, at).value;
    if (!modern()) return c;
    if (c == 0x17F) return 's';
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
  }

  std::size_t letters(std::size_t at) const {
    const CodePoint first = code_point(text_, at);
    if (is_letter(first.value)) return while_true(at, is_letter);
    const bool may_lead =
        modern() ? !is_newline(first.value) && !is_number(first.value) : first.value == ' ';
    const std::size_t begin = at + first.bytes;
    const std::size_t end = may_lead ? while_true(begin, is_letter) : begin;
    return end == begin ? at : end;
  }

  std::size_t numbers(std::size_t at) const {
    switch (pattern_) {
      case Pattern::llama3:
        return while_true(at, is_number, 3);
      case Pattern::qwen2:
        return while_true(at, is_number, 1);
      case Pattern::gpt2:
        break;
    }
    const std::size_t begin = at + (text_[at] == ' ' ? 1 : 0);
    const std::size_t end = while_true(begin, is_number);
    return end == begin ? at : end;
  }

  std::size_t others(std::size_t at) const {
    const std::size_t begin = at + (text_[at] == ' ' ? 1 : 0);
    const std::size_t end = while_true(begin, is_other);
    if (end == begin) return at;
    return modern() ? while_true(end, is_newline) : end;
  }

  /// White space up to and with the last newline of its run.
  std::size_t newlines(std::size_t at) const {
    if (!modern()) return at;
    const std::size_t run = while_true(at, is_space);
    for (std::size_t end = run; end > at; --end) {
      if (is_newline(static_cast<unsigned char>(text_[end - 1]))) return end;
    }
    return at;
  }

  /// A run of white space, less its last character where a word follows and it is not all.
  std::size_t spaces(std::size_t at) const {
    const std::size_t run = while_true(at, is_space);
    if (run == at || run == text_.size()) return run;
    std::size_t last = at;
    for (std::size_t i = at; i < run; i += code_point(text_, i).bytes) last = i;
    return last == at ? run : last;
  }

  Pattern pattern_;
  std::string_view text_;
};

}  // namespace

std::optional<Pattern> pattern_of_regex(std::string_view regex) {
  if (regex == kGpt2) return Pattern::gpt2;
  if (regex == kLlama3) return Pattern::llama3;
  if (regex == kQwen2) return Pattern::qwen2;
  return std::nullopt;
}

std::optional<Pattern> pattern_of_gguf(std::string_view name) {
  if (name == "gpt-2") return Pattern::gpt2;
  if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") return Pattern::llama3;
  if (name == "qwen2") return Pattern::qwen2;
  return std::nullopt;
}

std::vector<std::string_view> pretokenize(Pattern pattern, std::string_view text) {
  const Scanner scanner(pattern, text);
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = scanner.piece_end(at);
    pieces.push_back(text.substr(at, end - at));
    at = end;
  }
  return pieces;
}

}  // namespace refute::tokenizer
