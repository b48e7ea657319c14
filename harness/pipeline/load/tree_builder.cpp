#include "harness/pipeline/load/tree_builder.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "harness/pipeline/load/load.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/scan.hpp"

namespace refute::pipeline {
namespace {

SpanNode::Style style_at(std::string_view text, std::size_t at) {
  const char c = at < text.size() ? text[at] : ' ';
  if (c == '"' || c == '\'') return SpanNode::Style::quoted;
  if (c == '|' || c == '>') return SpanNode::Style::block;
  return SpanNode::Style::plain;
}

bool spells_null(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(std::min(at, text.size()));
  return rest.starts_with("~") || rest.starts_with("null") || rest.starts_with("Null") ||
         rest.starts_with("NULL");
}

std::size_t end_of_word(std::string_view text, std::size_t at) {
  const std::size_t end = text.find_first_of(" \t\r\n,]}", at);
  return std::min(end, text.size());
}

// An absent value may be placed before the token that the parser marked it by, so an end never
// moves back.
void extend(Span& outer, const Span& inner) {
  const auto end = std::max(std::pair(outer.end_line, outer.end_column),
                            std::pair(inner.end_line, inner.end_column));
  outer.end_line = end.first;
  outer.end_column = end.second;
}

// One past the bracket that closes a flow collection whose last token ends at `at`.
std::size_t end_of_flow(std::string_view text, std::size_t at) {
  for (at = skip_blanks(text, at); at < text.size(); at = skip_blanks(text, at + 1)) {
    if (text[at] == ']' || text[at] == '}') return at + 1;
  }
  return text.size();
}

}  // namespace

Next TreeBuilder::count() {
  if (++nodes_ <= kMostNodes) return Next::go_on;
  if (!stopped_) {
    findings_.add("RF0115", Severity::error, Span{},
                  fmt::format("more than {} values in the file", kMostNodes),
                  "split the contract; data belongs in a fixture");
  }
  stopped_ = true;
  return Next::stop;
}

bool TreeBuilder::wants_key() const {
  return !stack_.empty() && stack_.back().node.is_map() && !stack_.back().key_read;
}

// The mark of a node stands at its first property. Contracts are plain data, so any property is
// refused.
void TreeBuilder::refuse_properties(std::size_t at) {
  while (at < text_.size() && (text_[at] == '&' || text_[at] == '!')) {
    const std::size_t end = end_of_word(text_, at);
    const std::string word(text_.substr(at, end - at));
    if (text_[at] == '&') {
      findings_.add("RF0110", Severity::error, lines_.span(at, end),
                    fmt::format("anchor `{}`", word),
                    "contracts are plain data: write the value out");
    } else {
      findings_.add(
          "RF0112", Severity::error, lines_.span(at, end), fmt::format("tag `{}`", word),
          "contracts are plain data: remove the tag, or quote the text if it begins with `!`");
    }
    at = skip_blanks(text_, end);
  }
}

void TreeBuilder::check_tab(std::size_t at) {
  const auto in_flow = [](const Frame& f) { return f.flow; };
  if (at >= text_.size() || std::ranges::any_of(stack_, in_flow)) return;
  const std::size_t start = lines_.line_start(lines_.span(at, at).line);
  if (const auto tab = tab_indentation(text_, start, at)) {
    findings_.add("RF0109", Severity::error, lines_.span(*tab, *tab + 1),
                  "a tab is used as indentation", "YAML indents by spaces only");
  }
}

Span TreeBuilder::place_of_null(std::size_t at) const {
  const bool in_map = !stack_.empty() && stack_.back().node.is_map();
  if (spells_null(text_, at)) {
    const std::size_t end = end_of_word(text_, at);
    const bool a_later_key = text_.substr(at, end - at).ends_with(':');
    if (!a_later_key) return lines_.span(at, end);
  }
  // The parser marks an absent value where the next token starts, which may be lines away: place it
  // where it is missed.
  if (in_map && stack_.back().key_read) {
    const std::size_t colon = text_.find(':', stack_.back().key_end);
    const std::size_t after = colon == std::string_view::npos ? stack_.back().key_end : colon + 1;
    return lines_.span(after, after);
  }
  const std::size_t dash = skip_blanks(text_, last_end_);
  const std::size_t after =
      dash < text_.size() && text_[dash] == '-' ? dash + 1 : std::min(dash, text_.size());
  return lines_.span(after, after);
}

// The parser takes a last line without `:` for a key, and lets a key follow a quoted value on its
// line.
void TreeBuilder::check_block_key(std::size_t at, const SpanNode& key) {
  const Frame& frame = stack_.back();
  const auto in_flow = [](const Frame& f) { return f.flow; };
  if (std::ranges::any_of(stack_, in_flow)) return;
  const std::size_t start = lines_.line_start(key.span.line);
  const std::string_view before = trimmed(text_.substr(start, at - start));
  const std::size_t colon = text_.find_first_not_of(" \t", last_end_);
  const bool has_colon = colon != std::string_view::npos && text_[colon] == ':';
  if (!before.empty() && !frame.node.members.empty() && !before.ends_with('?')) {
    findings_.add("RF0105", Severity::error, key.span, "another key stands on the line of a value",
                  "begin a new line, or look for a quote that closes too early");
  } else if (!has_colon && !before.ends_with('?')) {
    findings_.add("RF0105", Severity::error, key.span, "a key without a `:`", "write `key: value`");
  }
}

void TreeBuilder::take_key(SpanNode node) {
  Frame& frame = stack_.back();
  frame.key_read = true;
  frame.key_end = last_end_;
  frame.key_span = node.span;
  frame.key = std::move(node.text);
  if (!node.is_scalar()) {
    findings_.add("RF0117", Severity::error, node.span, "a key has to be a plain text",
                  "write `key: value`, or quote the text");
  } else if (frame.key == "<<" && node.style == SpanNode::Style::plain) {
    findings_.add("RF0111", Severity::error, node.span, "merge key `<<`",
                  "contracts are plain data: write the merged keys out");
    frame.key.clear();
  }
}

void TreeBuilder::attach(SpanNode node) {
  if (stack_.empty()) {
    root_ = std::move(node);
    return;
  }
  Frame& frame = stack_.back();
  extend(frame.node.span, node.span);
  if (frame.node.is_list()) {
    frame.node.items.push_back(std::move(node));
    return;
  }
  frame.node.members.push_back({std::move(frame.key), frame.key_span, std::move(node)});
  frame.key.clear();
  frame.key_read = false;
}

Next TreeBuilder::add_null(std::size_t at) {
  if (count() == Next::stop) return Next::stop;
  refuse_properties(at);
  SpanNode node;
  node.span = place_of_null(at);
  if (wants_key()) {
    take_key(std::move(node));
  } else {
    if (spells_null(text_, at)) last_end_ = end_of_word(text_, at);
    attach(std::move(node));
  }
  return Next::go_on;
}

Next TreeBuilder::add_alias(std::size_t at) {
  if (count() == Next::stop) return Next::stop;
  const std::size_t end = end_of_word(text_, at);
  SpanNode node;
  node.kind = SpanNode::Kind::refused;
  node.span = lines_.span(at, end);
  findings_.add(
      "RF0110", Severity::error, node.span, fmt::format("alias `{}`", text_.substr(at, end - at)),
      "contracts are plain data: write the value out, or quote the text if it begins with `*`");
  last_end_ = end;
  if (wants_key()) {
    take_key(std::move(node));
  } else {
    attach(std::move(node));
  }
  return Next::go_on;
}

std::size_t TreeBuilder::end_of_scalar(std::size_t at, const std::string& value,
                                       SpanNode::Style style) {
  switch (style) {
    case SpanNode::Style::plain:
      return end_of_plain(text_, at, value);
    case SpanNode::Style::block:
      return end_of_word(text_, at);
    case SpanNode::Style::quoted:
      break;
  }
  if (const auto end = end_of_quoted(text_, at)) {
    if (text_.substr(at, *end - at).find('\n') != std::string_view::npos) {
      quote_begin_ = at;
      quote_end_ = *end;
    }
    return *end;
  }
  findings_.add("RF0106", Severity::error, lines_.span(at, at + 1), "this quote is never closed",
                "close it, or quote the whole text if the quote belongs to it");
  stopped_ = true;
  return text_.size();
}

Next TreeBuilder::add_scalar(std::size_t at, const std::string& value) {
  if (count() == Next::stop) return Next::stop;
  refuse_properties(at);
  check_tab(at);
  SpanNode node;
  node.kind = SpanNode::Kind::scalar;
  node.style = style_at(text_, at);
  const std::size_t end = end_of_scalar(at, value, node.style);
  if (stopped_) return Next::stop;
  node.span = lines_.span(at, end);
  node.text = value;
  last_end_ = end;
  if (wants_key()) {
    check_block_key(at, node);
    take_key(std::move(node));
  } else {
    attach(std::move(node));
  }
  return Next::go_on;
}

Next TreeBuilder::open(SpanNode::Kind kind, bool flow, std::size_t at) {
  if (count() == Next::stop) return Next::stop;
  refuse_properties(at);
  check_tab(at);
  if (stack_.size() >= kMostDepth) {
    findings_.add("RF0114", Severity::error, lines_.span(at, at + 1),
                  fmt::format("nested deeper than {} levels", kMostDepth));
    stopped_ = true;
    return Next::stop;
  }
  Frame frame;
  frame.is_key = wants_key();
  frame.flow = flow;
  frame.node.kind = kind;
  frame.node.span = lines_.span(at, frame.flow ? at + 1 : at);
  stack_.push_back(std::move(frame));
  if (stack_.back().flow) last_end_ = at + 1;
  return Next::go_on;
}

void TreeBuilder::close() {
  Frame frame = std::move(stack_.back());
  stack_.pop_back();
  if (frame.flow) {
    last_end_ = end_of_flow(text_, last_end_);
    extend(frame.node.span, lines_.span(last_end_, last_end_));
  }
  if (frame.node.is_map()) report_duplicates(frame.node);
  if (frame.is_key) {
    take_key(std::move(frame.node));
  } else {
    attach(std::move(frame.node));
  }
}

void TreeBuilder::report_duplicates(const SpanNode& map) {
  std::vector<std::size_t> order(map.members.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, {},
                           [&](std::size_t i) -> const std::string& { return map.members[i].key; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const SpanMember& first = map.members[order[i - 1]];
    const SpanMember& again = map.members[order[i]];
    if (again.key != first.key || again.key.empty()) continue;
    findings_.add("RF0113", Severity::error, again.key_span,
                  fmt::format("key `{}` is given twice", again.key),
                  fmt::format("first given at line {}, column {}; keep one of them",
                              first.key_span.line, first.key_span.column));
  }
}

std::optional<std::size_t> TreeBuilder::runaway_quote(std::size_t at) const {
  if (quote_end_ == 0 || at < quote_end_) return std::nullopt;
  const bool same_line =
      text_.substr(quote_end_, at - quote_end_).find('\n') == std::string_view::npos;
  return same_line ? std::optional(quote_begin_) : std::nullopt;
}

std::optional<Span> TreeBuilder::open_bracket() const {
  if (stack_.empty() || !stack_.back().flow) return std::nullopt;
  const Span& from = stack_.back().node.span;
  return Span{from.line, from.column, from.line, from.column + 1};
}

SpanNode TreeBuilder::take_root(bool complete) {
  // Cut short, only what was closed inside the outermost map can be trusted.
  if (!complete && !stack_.empty()) {
    SpanNode node = std::move(stack_.front().node);
    stack_.clear();
    if (!node.members.empty()) node.members.pop_back();
    if (!node.items.empty()) node.items.pop_back();
    if (node.is_map()) report_duplicates(node);
    return node;
  }
  return std::move(root_);
}

}  // namespace refute::pipeline
