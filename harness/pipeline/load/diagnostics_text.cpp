#include <algorithm>

#include <fmt/format.h>

#include "harness/pipeline/load/diagnostics.hpp"
#include "harness/pipeline/load/line_index.hpp"

namespace refute::pipeline {
namespace {

constexpr std::size_t kWidest = 120;  ///< a longer line is cut around the place

// Whatever a file holds, a terminal must only see text: escape sequences and carriage returns
// become marks.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\t') {
      out += ' ';
    } else if (byte < 0x20 || byte == 0x7F) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

std::size_t byte_of_column(std::string_view line, int column) {
  std::size_t at = 0;
  for (int passed = 1; passed < column && at < line.size(); ++passed) {
    ++at;
    while (at < line.size() && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) ++at;
  }
  return at;
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

struct Style {
  bool color;
  std::string operator()(std::string_view code, std::string_view text) const {
    return color ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
  }
};

std::string_view color_of(Severity severity) {
  switch (severity) {
    case Severity::error:
      return "1;31";
    case Severity::warning:
      return "1;33";
    case Severity::info:
      return "1;36";
  }
  return "1";
}

struct Frame {
  std::string before, marked, after;
};

Frame cut(std::string_view line, const Span& span) {
  const std::size_t begin = byte_of_column(line, span.column);
  const bool one_line = span.end_line == span.line && span.end_column > span.column;
  const bool to_its_end = span.end_line > span.line;
  const std::size_t end = one_line     ? byte_of_column(line, span.end_column)
                          : to_its_end ? line.size()
                                       : begin;
  Frame f{std::string(line.substr(0, begin)), std::string(line.substr(begin, end - begin)),
          std::string(line.substr(end))};
  if (line.size() <= kWidest) return f;
  const auto keep_tail = [](std::string& s, std::size_t n) {
    if (s.size() <= n) return;
    std::size_t at = s.size() - n;
    while (at < s.size() && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) ++at;
    s = "…" + s.substr(at);
  };
  const auto keep_head = [](std::string& s, std::size_t n) {
    if (s.size() <= n) return;
    while (n > 0 && (static_cast<unsigned char>(s[n]) & 0xC0) == 0x80) --n;
    s = s.substr(0, n) + "…";
  };
  keep_tail(f.before, 40);
  keep_head(f.marked, 60);
  keep_head(f.after, 20);
  return f;
}

std::string code_frame(std::string_view line, const Diagnostic& d, const Style& style) {
  const Frame f = cut(line, d.span);
  const std::string number = std::to_string(d.span.line);
  const std::string margin(number.size(), ' ');
  const std::size_t carets = std::max<std::size_t>(1, code_points(f.marked));
  std::string out =
      fmt::format("  {} | {}\n", style("2", number), printable(f.before + f.marked + f.after));
  out += fmt::format("  {} | {}{}\n", margin, std::string(code_points(f.before), ' '),
                     style(color_of(d.severity), std::string(carets, '^')));
  return out;
}

std::string head(const Diagnostic& d, const Style& style) {
  std::string place = d.file;
  if (d.span.line > 0) place += fmt::format(":{}:{}", d.span.line, d.span.column);
  return fmt::format(
      "{}: {}: {}\n", printable(place),
      style(color_of(d.severity), fmt::format("{}[{}]", to_string(d.severity), d.code)),
      style("1", printable(d.message)));
}

std::string counted(std::size_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

std::size_t count(const Diagnostics& all, Severity severity) {
  return static_cast<std::size_t>(std::ranges::count(all, severity, &Diagnostic::severity));
}

}  // namespace

std::string summary_line(const LoadResult& result) {
  const std::size_t infos = count(result.diagnostics, Severity::info);
  std::string out =
      fmt::format("{}, {}", counted(count(result.diagnostics, Severity::error), "error"),
                  counted(count(result.diagnostics, Severity::warning), "warning"));
  if (infos != 0) out += fmt::format(", {}", counted(infos, "remark"));
  out += fmt::format(" in {}", counted(result.sources.size(), "file"));
  if (!result.unreadable.empty())
    out += fmt::format("; {} could not be read", counted(result.unreadable.size(), "path"));
  return out;
}

std::string render_text(const LoadResult& result, const RenderOptions& options) {
  const Style style{options.color};
  std::string out;
  auto source = result.sources.begin();
  std::optional<LineIndex> lines;
  std::string_view indexed;
  for (const Diagnostic& d : result.diagnostics) {
    out += head(d, style);
    source = std::ranges::find(source, result.sources.end(), d.file, &SourceText::file);
    if (source != result.sources.end() && d.span.line > 0) {
      if (indexed != source->file) lines.emplace(source->text);
      indexed = source->file;
      out += code_frame(lines->line(d.span.line), d, style);
    }
    if (source == result.sources.end()) source = result.sources.begin();
    if (!d.help.empty()) out += fmt::format("  {} {}\n", style("1", "help:"), printable(d.help));
    out += '\n';
  }
  for (const Error& e : result.unreadable) {
    out += fmt::format("{}: {}\n", style(color_of(Severity::error), "error"), printable(e.what));
    if (!e.hint.empty()) out += fmt::format("  {} {}\n", style("1", "help:"), printable(e.hint));
    out += '\n';
  }
  out += summary_line(result);
  if (options.strict && count(result.diagnostics, Severity::warning) != 0)
    out += "; warnings fail (--strict)";
  return out + "\n";
}

}  // namespace refute::pipeline
