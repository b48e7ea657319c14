#include "harness/tokenizer/bpe.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "harness/tensor/text.hpp"
#include "harness/tokenizer/unicode_classes.hpp"

namespace refute::tokenizer {
namespace {

constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();

void append_utf8(std::string& to, unsigned point) {
  if (point < 0x80) {
    to += static_cast<char>(point);
  } else {
    to += static_cast<char>(0xC0 | point >> 6);
    to += static_cast<char>(0x80 | (point & 0x3F));
  }
}

/// GPT-2 writes bytes that are not printable as characters from U+0100 on, in their order.
const std::array<std::string, 256>& printable_bytes() {
  static const std::array<std::string, 256> table = [] {
    std::array<std::string, 256> t;
    unsigned next = 0x100;
    for (unsigned b = 0; b < 256; ++b) {
      const bool shown = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
      append_utf8(t[b], shown ? b : next++);
    }
    return t;
  }();
  return table;
}

std::uint32_t rank_of(const BpeTables& t, const std::string& left, const std::string& right) {
  const auto at = t.merges.find(left + ' ' + right);
  return at == t.merges.end() ? kNoRank : at->second;
}

/// Merges the pair of lowest rank, the leftmost of equal ones, until none is left.
void merge(const BpeTables& t, std::vector<std::string>& symbols) {
  while (symbols.size() > 1) {
    std::uint32_t best = kNoRank;
    std::size_t where = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const std::uint32_t rank = rank_of(t, symbols[i], symbols[i + 1]);
      if (rank < best) {
        best = rank;
        where = i;
      }
    }
    if (best == kNoRank) return;
    symbols[where] += symbols[where + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
}

std::optional<Error> encode_piece(const BpeTables& t, std::string_view piece,
                                  std::vector<std::uint32_t>& out) {
  // Merging is quadratic in a piece; words are short, and what is not is refused.
  if (piece.size() > 20'000) return Error{"a word of more than 20,000 bytes", "cut the text"};
  std::vector<std::string> symbols;
  std::string whole;
  for (const char c : piece) {
    symbols.push_back(printable_bytes()[static_cast<unsigned char>(c)]);
    whole += symbols.back();
  }
  if (const auto at = t.vocab.find(whole); t.whole_pieces_first && at != t.vocab.end()) {
    out.push_back(at->second);
    return std::nullopt;
  }
  merge(t, symbols);
  for (const std::string& symbol : symbols) {
    const auto at = t.vocab.find(symbol);
    if (at == t.vocab.end()) {
      return Error{fmt::format("the vocabulary has no token for '{}'", symbol),
                   "the tokenizer is not complete"};
    }
    out.push_back(at->second);
  }
  return std::nullopt;
}

/// Where the next added token begins, and which: the first in the text, the longest of those.
std::pair<std::size_t, const std::pair<std::string, std::uint32_t>*> next_added(
    const BpeTables& t, std::string_view text, std::size_t from) {
  std::size_t where = text.size();
  const std::pair<std::string, std::uint32_t>* which = nullptr;
  for (const auto& added : t.added) {
    const std::size_t at = text.find(added.first, from);
    const bool longer = which != nullptr && at == where && added.first.size() > which->first.size();
    if (at != text.npos && (at < where || longer)) {
      where = at;
      which = &added;
    }
  }
  return {where, which};
}

std::optional<Error> refuse_text(const BpeTables& t, std::string_view text) {
  if (!tensor::is_utf8(text)) return Error{"the text is not UTF-8", ""};
  for (std::size_t at = 0; t.wants_nfc && at < text.size();) {
    const CodePoint point = code_point(text, at);
    if (may_change_in_nfc(point.value)) {
      return Error{fmt::format("U+{:04X} may not be in normal form C, which this tokenizer wants "
                               "and which is not made here",
                               static_cast<unsigned>(point.value)),
                   "give the token ids with --tokens"};
    }
    at += point.bytes;
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<std::uint32_t>> encode(const BpeTables& t, std::string_view text) {
  if (auto error = refuse_text(t, text)) return *error;
  std::vector<std::uint32_t> out = t.before;
  for (std::size_t at = 0; at < text.size();) {
    const auto [where, added] = next_added(t, text, at);
    for (const std::string_view piece : pretokenize(t.pattern, text.substr(at, where - at))) {
      if (auto error = encode_piece(t, piece, out)) return *error;
    }
    at = where;
    if (added == nullptr) break;
    out.push_back(added->second);
    at += added->first.size();
  }
  return out;
}

std::string decode(const BpeTables& t, std::span<const std::uint32_t> tokens) {
  std::unordered_map<std::uint32_t, std::string_view> words, added;
  for (const auto& [word, id] : t.vocab) words.emplace(id, word);
  for (const auto& [word, id] : t.added) added.emplace(id, word);
  std::unordered_map<std::string_view, char> bytes;
  for (unsigned b = 0; b < 256; ++b) bytes.emplace(printable_bytes()[b], static_cast<char>(b));
  std::string text;
  for (const std::uint32_t token : tokens) {
    if (const auto at = added.find(token); at != added.end()) {
      text += at->second;
      continue;
    }
    const auto word = words.find(token);
    if (word == words.end()) text += "\xEF\xBF\xBD";
    const std::string_view letters = word == words.end() ? "" : word->second;
    for (std::size_t i = 0; i < letters.size();) {
      const std::size_t size = code_point(letters, i).bytes;
      const auto byte = bytes.find(letters.substr(i, size));
      text += byte == bytes.end() ? '?' : byte->second;
      i += size;
    }
  }
  return text;
}

}  // namespace refute::tokenizer
