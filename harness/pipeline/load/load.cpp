#include "harness/pipeline/load/load.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "harness/pipeline/load/scan.hpp"
#include "harness/pipeline/load/tree_builder.hpp"

namespace refute::pipeline {
namespace {

// The parser can only be left by an exception. It never leaves this file.
struct StopReading {};

class Events final : public YAML::EventHandler {
 public:
  Events(TreeBuilder& tree, std::size_t base) : tree_(tree), base_(base) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& m, YAML::anchor_t) override { go(tree_.add_null(at(m))); }
  void OnAlias(const YAML::Mark& m, YAML::anchor_t) override { go(tree_.add_alias(at(m))); }
  void OnScalar(const YAML::Mark& m, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    go(tree_.add_scalar(at(m), value));
  }
  void OnSequenceStart(const YAML::Mark& m, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value style) override {
    go(tree_.open(SpanNode::Kind::list, style == YAML::EmitterStyle::Flow, at(m)));
  }
  void OnSequenceEnd() override { tree_.close(); }
  void OnMapStart(const YAML::Mark& m, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value style) override {
    go(tree_.open(SpanNode::Kind::map, style == YAML::EmitterStyle::Flow, at(m)));
  }
  void OnMapEnd() override { tree_.close(); }

 private:
  std::size_t at(const YAML::Mark& mark) const {
    return base_ + static_cast<std::size_t>(std::max(0, mark.pos));
  }
  static void go(Next next) {
    if (next == Next::stop) throw StopReading{};
  }

  TreeBuilder& tree_;
  std::size_t base_;
};

// Sees only whether, and where, another document has anything in it.
class FirstMark final : public YAML::EventHandler {
 public:
  std::optional<int> position;

  void OnDocumentStart(const YAML::Mark& m) override { note(m); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& m, YAML::anchor_t) override { note(m); }
  void OnAlias(const YAML::Mark& m, YAML::anchor_t) override { note(m); }
  void OnScalar(const YAML::Mark& m, const std::string&, YAML::anchor_t,
                const std::string&) override {
    note(m);
  }
  void OnSequenceStart(const YAML::Mark& m, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    note(m);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& m, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    note(m);
  }
  void OnMapEnd() override {}

 private:
  void note(const YAML::Mark& mark) {
    position = mark.pos;
    throw StopReading{};
  }
};

struct Phrase {
  std::string_view theirs, ours, help;
};

// yaml-cpp speaks of its own tokens; a reader wants to know what to look for.
constexpr auto kPhrases = std::to_array<Phrase>({
    {"end of map not found", "a key or the end of this map was expected here",
     "look for a wrong indentation, a missing `:`, or text after a closing quote"},
    {"end of sequence not found", "another `-` or the end of this list was expected here",
     "look for a wrong indentation, or text after a closing quote"},
    {"illegal map value", "a `:` stands where no key can be", "quote the text if it contains `: `"},
    {"illegal block entry", "a `-` stands where no list can begin",
     "start the list on a line of its own"},
    {"illegal map key", "a key stands where none can be", ""},
    {"end of map flow not found", "this `{` is not closed, or a `,` is missing",
     "close it with `}`"},
    {"end of sequence flow not found", "this `[` is not closed, or a `,` is missing",
     "close it with `]`"},
    {"illegal flow end", "a closing bracket without an opening one",
     "remove it, or quote the text"},
    {"unknown token", "no value can start with this character", "quote the text"},
    {"illegal tab when looking for indentation", "a tab is used as indentation",
     "YAML indents by spaces only"},
    {"illegal EOF in scalar", "the file ends inside a quoted text", "close the quote"},
    {"the referenced anchor is not defined", "an alias to an anchor that does not exist",
     "contracts are plain data: write the value out, or quote the text if it begins with `*`"},
});

void report_syntax(const YAML::ParserException& e, std::size_t at, const TreeBuilder& tree,
                   std::string_view text, const LineIndex& lines, Findings& findings) {
  const auto known =
      std::ranges::find_if(kPhrases, [&](const Phrase& p) { return e.msg.starts_with(p.theirs); });
  const std::string message = known == kPhrases.end() ? e.msg : std::string(known->ours);
  const std::string help = known == kPhrases.end() ? std::string() : std::string(known->help);
  const Span span = lines.span(at, std::min(at + 1, text.size()));
  const auto tab = tab_indentation(text, lines.line_start(span.line), at);
  if (e.msg.starts_with("the referenced anchor")) {
    findings.add("RF0110", Severity::error, span, message, help);
  } else if (tab || e.msg.starts_with("illegal tab")) {
    const std::size_t place = tab.value_or(at);
    findings.add("RF0109", Severity::error, lines.span(place, place + 1),
                 "a tab is used as indentation", "YAML indents by spaces only");
  } else if (const auto quote = tree.runaway_quote(at)) {
    findings.add("RF0106", Severity::error, lines.span(*quote, *quote + 1),
                 fmt::format("this quote is not closed before line {}", span.line),
                 "close it on its line, or quote the whole text if the quote belongs to it");
  } else {
    const bool unclosed =
        e.msg.ends_with("flow not found") || e.msg.ends_with("sequence flow not found");
    findings.add("RF0105", Severity::error, unclosed ? tree.open_bracket().value_or(span) : span,
                 message, help);
  }
}

// Also what the parser cannot read counts: nothing may follow the document but comments.
void report_rest(YAML::Parser& parser, std::size_t base, std::string_view text,
                 const LineIndex& lines, Findings& findings) {
  FirstMark rest;
  try {
    if (!parser.HandleNextDocument(rest)) return;
  } catch (const StopReading&) {
  } catch (const YAML::ParserException& e) {
    rest.position = e.mark.is_null() ? 0 : e.mark.pos;
  }
  const std::size_t at =
      std::min(base + static_cast<std::size_t>(rest.position.value_or(0)), text.size());
  const Span span = lines.span(at, at + 1);
  const std::string_view line = lines.line(span.line);
  const bool marker =
      line.starts_with("---") || (span.line > 1 && lines.line(span.line - 1).starts_with("---"));
  if (marker) {
    findings.add("RF0108", Severity::error, span, "a second document begins here",
                 "one contract a file");
  } else {
    findings.add("RF0107", Severity::error, span, "text after the end of the document",
                 "remove it, or check the brackets, quotes and indentation before it");
  }
}

struct Part {
  SpanNode root;
  bool complete = false;
  std::optional<std::size_t> failed_at;
};

Part parse_part(std::string_view text, std::size_t base, const LineIndex& lines,
                Findings& findings) {
  std::istringstream in{std::string(text.substr(base))};
  TreeBuilder tree(text, lines, findings);
  Events events(tree, base);
  Part part;
  try {
    YAML::Parser parser(in);
    parser.HandleNextDocument(events);
    report_rest(parser, base, text, lines, findings);
    part.complete = true;
  } catch (const StopReading&) {
  } catch (const YAML::ParserException& e) {
    const std::size_t at =
        e.mark.is_null() ? text.size() : base + static_cast<std::size_t>(e.mark.pos);
    report_syntax(e, at, tree, text, lines, findings);
    part.failed_at = at;
  }
  part.root = tree.take_root(part.complete);
  return part;
}

// The start of the next line that looks like a key of the outermost map.
std::optional<std::size_t> next_section(std::size_t from, const LineIndex& lines) {
  for (int n = lines.span(from, from).line + 1; n <= lines.line_count(); ++n) {
    const std::string_view line = lines.line(n);
    const bool word =
        !line.empty() && (std::isalpha(static_cast<unsigned char>(line[0])) != 0 || line[0] == '_');
    const std::size_t end =
        line.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    if (word && end != std::string_view::npos && line[end] == ':') return lines.line_start(n);
  }
  return std::nullopt;
}

void append_members(SpanNode& to, SpanNode&& from) {
  std::ranges::move(from.members, std::back_inserter(to.members));
}

}  // namespace

ParsedYaml parse_yaml(std::string_view text, const LineIndex& lines, Findings& findings) {
  constexpr int kMostRestarts = 20;
  Part first = parse_part(text, 0, lines, findings);
  ParsedYaml parsed{std::move(first.root), first.complete};
  std::optional<std::size_t> failed_at = first.failed_at;
  for (int i = 0; failed_at && i < kMostRestarts; ++i) {
    const auto section = next_section(*failed_at, lines);
    if (!section) break;
    Part part = parse_part(text, *section, lines, findings);
    if (parsed.root.is_map()) append_members(parsed.root, std::move(part.root));
    failed_at = part.failed_at;
  }
  return parsed;
}

}  // namespace refute::pipeline
