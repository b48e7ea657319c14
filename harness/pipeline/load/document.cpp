#include "harness/pipeline/load/document.hpp"

#include <algorithm>
#include <cctype>

#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/scan.hpp"

namespace refute::pipeline {
namespace {

std::string stem_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return std::string(path.substr(0, path.rfind('.')));
}

std::string_view without_version(std::string_view stem) {
  const std::size_t dash = stem.rfind("-v");
  if (dash == std::string_view::npos || dash + 2 == stem.size()) return stem;
  const std::string_view digits = stem.substr(dash + 2);
  const bool versioned = digits.find_first_not_of("0123456789.") == std::string_view::npos;
  return versioned ? stem.substr(0, dash) : stem;
}

std::string_view name_of(const SpanNode& entry) {
  const std::string_view id = entry.text_of("id");
  return id.empty() ? entry.text_of("name") : id;
}

}  // namespace

Document::Document(std::string file_name, std::string bytes)
    : file(std::move(file_name)), stem(stem_of(file)), text(without_bom(bytes)), lines(text) {}

std::vector<const SpanNode*> Document::entries(std::string_view section) const {
  std::vector<const SpanNode*> found;
  const SpanNode* list = root.find(section);
  if (list == nullptr) return found;
  for (const SpanNode& item : list->items) {
    if (item.is_map()) found.push_back(&item);
  }
  return found;
}

std::vector<std::string> Document::equation_names() const {
  std::vector<std::string> names;
  const SpanNode* equations = root.find("equations");
  if (equations == nullptr) return names;
  for (const SpanMember& member : equations->members) names.push_back(member.key);
  for (const SpanNode& item : equations->items) {
    if (const std::string_view name = name_of(item); !name.empty()) names.emplace_back(name);
  }
  return names;
}

const SpanNode* Document::equation(std::string_view name) const {
  const SpanNode* equations = root.find("equations");
  if (equations == nullptr) return nullptr;
  if (const SpanNode* found = equations->find(name)) return found;
  const auto it =
      std::ranges::find_if(equations->items, [&](const SpanNode& e) { return name_of(e) == name; });
  return it == equations->items.end() ? nullptr : &*it;
}

std::string_view Document::metadata_text(std::string_view key) const {
  const SpanNode* metadata = root.find("metadata");
  return metadata == nullptr ? std::string_view() : trimmed(metadata->text_of(key));
}

std::string Document::contract_id() const {
  if (const std::string_view id = metadata_text("id"); !id.empty()) return std::string(id);
  std::string id(without_version(stem));
  for (char& c : id) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return id;
}

Span Document::place_in(const SpanNode& scalar, std::size_t offset, std::size_t length) const {
  const std::string_view whole = scalar.text;
  std::string_view fragment = whole.substr(std::min(offset, whole.size()), length);
  fragment = fragment.substr(0, fragment.find('\n'));
  if (fragment.empty()) return scalar.span;
  const auto breaks = static_cast<int>(std::ranges::count(whole.substr(0, offset), '\n'));
  const bool block = scalar.style == SpanNode::Style::block;
  const int first = scalar.span.line + (block ? 1 + breaks : 0);
  const int last = std::min(block ? first + 50 : scalar.span.end_line, lines.line_count());
  for (int n = first; n <= last; ++n) {
    const std::size_t from =
        n == scalar.span.line ? static_cast<std::size_t>(scalar.span.column - 1) : 0;
    const std::size_t at = lines.line(n).find(fragment, from);
    if (at == std::string_view::npos) continue;
    const std::size_t begin = lines.line_start(n) + at;
    return lines.span(begin, begin + fragment.size());
  }
  return scalar.span;
}

std::vector<const SpanNode*> text_nodes(const SpanNode* node) {
  std::vector<const SpanNode*> found;
  if (node == nullptr) return found;
  if (node->is_scalar()) found.push_back(node);
  for (const SpanNode& item : node->items) {
    if (item.is_scalar()) found.push_back(&item);
  }
  return found;
}

}  // namespace refute::pipeline
