#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/model/diagnostic.hpp"

namespace refute::pipeline {

struct SpanMember;

/// A YAML document as it was written: texts, not numbers, each with its place. `refused` stands
/// where an alias or another construct was that contracts may not use; it has been reported and is
/// not judged again.
struct SpanNode {
  enum class Kind { null, scalar, list, map, refused };
  enum class Style { plain, quoted, block };

  Kind kind = Kind::null;
  Style style = Style::plain;
  std::string text;  ///< of a scalar, escapes and folding undone
  Span span;
  std::vector<SpanNode> items;      ///< of a list
  std::vector<SpanMember> members;  ///< of a map, in their order, keys unique

  bool is_map() const { return kind == Kind::map; }
  bool is_list() const { return kind == Kind::list; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_null() const { return kind == Kind::null; }

  const SpanMember* member(std::string_view key) const;
  /// The value of that key, or null when this is no map or has no such key.
  const SpanNode* find(std::string_view key) const;
  /// The text of that key's value if it is a scalar, else empty.
  std::string_view text_of(std::string_view key) const;
};

struct SpanMember {
  std::string key;
  Span key_span;
  SpanNode value;
};

/// JSON pointer from `root` to `node`, which must be inside it; empty when it is the root or is not
/// there.
std::string pointer_to(const SpanNode& root, const SpanNode& node);

}  // namespace refute::pipeline
