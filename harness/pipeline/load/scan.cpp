#include "harness/pipeline/load/scan.hpp"

#include <cstdint>

#include <fmt/format.h>

namespace refute::pipeline {
namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";

struct CodePoint {
  std::uint32_t value;
  std::size_t length;  ///< zero: the bytes are no UTF-8
};

bool is_continuation(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

// Unicode 15, table 3-7: the well-formed sequences, by the least value that each length may encode.
CodePoint decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (lead < 0xC2 || lead > 0xF4 || at + length > text.size()) return {0, 0};
  std::uint32_t value = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(byte(i))) return {0, 0};
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  if (value < kLeast[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
    return {0, 0};
  return {value, length};
}

bool is_control(std::uint32_t c) {
  if (c < 0x20) return c != '\t' && c != '\n' && c != '\r';
  return (c >= 0x7F && c <= 0x9F && c != 0x85) || c == 0xFFFE || c == 0xFFFF;
}

// Characters that make a text read otherwise than it is: bidirectional overrides and isolates,
// zero-width, a stray BOM.
bool is_invisible(std::uint32_t c) {
  return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) ||
         (c >= 0x200B && c <= 0x200F) || c == 0x2060 || c == 0xFEFF;
}

void report_control(std::uint32_t c, const Span& span, Findings& findings) {
  findings.add("RF0103", Severity::error, span, fmt::format("control character U+{:04X}", c),
               c == 0 ? "remove the NUL byte; is this a binary file?"
                      : "remove it, or write it as an escape in double quotes");
}

bool lone_return(std::string_view text, std::size_t at) {
  return text[at] == '\r' && (at + 1 == text.size() || text[at + 1] != '\n');
}

// Reports at most one control character a line: a binary file has one in every column.
bool scan_characters(std::string_view text, const LineIndex& lines, Findings& findings) {
  bool clean = true;
  int reported_line = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode(text, at);
    if (c.value >= 0x20 && c.value < 0x7F) {
      ++at;
      continue;
    }
    if (is_control(c.value) || lone_return(text, at)) {
      clean = false;
      const Span span = lines.span(at, at + c.length);
      if (span.line != reported_line) report_control(c.value, span, findings);
      reported_line = span.line;
    } else if (is_invisible(c.value)) {
      findings.add("RF0104", Severity::warning, lines.span(at, at + c.length),
                   fmt::format("invisible character U+{:04X}", c.value),
                   "remove it: the text reads otherwise than it is");
    }
    at += c.length;
  }
  return clean;
}

}  // namespace

std::string_view without_bom(std::string_view text) {
  return text.starts_with(kBom) ? text.substr(kBom.size()) : text;
}

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode(text, at);
    if (c.length == 0) return at;
    at += c.length;
  }
  return std::nullopt;
}

bool scan_bytes(std::string_view text, const LineIndex& lines, Findings& findings) {
  if (text.size() > kMostBytes) {
    findings.add("RF0101", Severity::error, Span{}, "the file is larger than 1 MiB",
                 "split the contract; data belongs in a fixture");
    return false;
  }
  if (const auto bad = first_invalid_utf8(text)) {
    findings.add("RF0102", Severity::error, lines.span(*bad, *bad + 1),
                 fmt::format("byte 0x{:02X} is not valid UTF-8 here",
                             static_cast<unsigned char>(text[*bad])),
                 "save the file as UTF-8");
    return false;
  }
  return scan_characters(text, lines, findings);
}

std::optional<std::size_t> end_of_quoted(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      const bool doubled = quote == '\'' && i + 1 < text.size() && text[i + 1] == quote;
      if (!doubled) return i + 1;
      ++i;
    }
  }
  return std::nullopt;
}

std::size_t end_of_plain(std::string_view text, std::size_t begin, std::string_view value) {
  const auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  std::size_t at = begin;
  for (const char c : value) {
    if (blank(c)) continue;
    while (at < text.size() && blank(text[at])) ++at;
    if (at == text.size() || text[at] != c) return at;
    ++at;
  }
  return at;
}

std::size_t skip_blanks(std::string_view text, std::size_t begin) {
  std::size_t at = begin;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at;
    } else {
      break;
    }
  }
  return at;
}

std::optional<std::size_t> tab_indentation(std::string_view text, std::size_t line_start,
                                           std::size_t offset) {
  std::optional<std::size_t> tab;
  for (std::size_t at = line_start; at < offset; ++at) {
    if (text[at] == '\t' && !tab) tab = at;
    if (text[at] != ' ' && text[at] != '\t') return std::nullopt;
  }
  return tab;
}

}  // namespace refute::pipeline
