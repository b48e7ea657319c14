#include "harness/pipeline/load/span_tree.hpp"

#include <algorithm>

namespace refute::pipeline {
namespace {

std::string escaped(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// Prepends the steps on the way back, so that only the branch that holds the node pays for a
// string.
bool walk(const SpanNode& at, const SpanNode& wanted, std::string& pointer) {
  if (&at == &wanted) return true;
  for (const SpanMember& member : at.members) {
    if (!walk(member.value, wanted, pointer)) continue;
    pointer.insert(0, escaped(member.key));
    return true;
  }
  for (std::size_t i = 0; i < at.items.size(); ++i) {
    if (!walk(at.items[i], wanted, pointer)) continue;
    pointer.insert(0, "/" + std::to_string(i));
    return true;
  }
  return false;
}

}  // namespace

const SpanMember* SpanNode::member(std::string_view key) const {
  const auto it = std::ranges::find(members, key, &SpanMember::key);
  return it == members.end() ? nullptr : &*it;
}

const SpanNode* SpanNode::find(std::string_view key) const {
  const SpanMember* found = member(key);
  return found == nullptr ? nullptr : &found->value;
}

std::string_view SpanNode::text_of(std::string_view key) const {
  const SpanNode* found = find(key);
  return found != nullptr && found->is_scalar() ? std::string_view(found->text)
                                                : std::string_view();
}

std::string pointer_to(const SpanNode& root, const SpanNode& node) {
  std::string pointer;
  walk(root, node, pointer);
  return pointer;
}

}  // namespace refute::pipeline
