#pragma once

// One description of what a contract may hold. The validator, `refute schema` and the key
// suggestions all read it.

#include <span>
#include <string_view>

#include "harness/model/value.hpp"
#include "harness/pipeline/load/findings.hpp"
#include "harness/pipeline/load/span_tree.hpp"

namespace refute::pipeline {

enum class Type {
  any,    ///< whatever another tool wants there
  text,   ///< any scalar, read as text
  prose,  ///< a statement: neither blank nor a placeholder
  texts,  ///< a text, or a list of texts or of maps that describe themselves
  id,     ///< one word
  word,   ///< one of `words`
  integer,
  real,  ///< an integer or a finite real
  boolean,
  date,           ///< 2026-02-28, possibly with a time
  version,        ///< semantic: 1.2.3
  tolerance,      ///< a finite number above zero, or prose with one in it
  object,         ///< a map with the keys of `shape`
  objects,        ///< a list of them
  named_objects,  ///< a map from free names to them, or a list of them with `id` or `name`
  parameters,     ///< a map from free names to plain values or to maps with the keys of `shape`
};

enum class Need { optional, required };

struct Shape;

struct Field {
  std::string_view key;
  Type type = Type::any;
  Need need = Need::optional;
  const Shape* shape = nullptr;
  std::span<const std::string_view> words = {};
  double least = 0, most = 0;      ///< of a number; no limits when both are zero
  std::string_view old_name = {};  ///< also accepted, with a note
  std::string_view help = {};
};

struct Shape {
  std::string_view name;
  std::span<const Field> fields;
  bool closed = false;  ///< ours alone: an unknown key is an error, not a remark
  std::string_view help = {};

  const Field* field(std::string_view key) const;  ///< by its name or its old name
};

/// The outermost map of a contract.
const Shape& contract_shape();
/// One entry of falsification_tests.
const Shape& claim_shape();

/// The value of a field under its name or its old name.
const SpanNode* find_field(const Shape& shape, const SpanNode& node, std::string_view key);
/// Its text if it is a scalar, else empty.
std::string_view field_text(const Shape& shape, const SpanNode& node, std::string_view key);

/// Checks the tree against the description. `machine_read`: the contract carries parameters of
/// ours, so that what would be a remark on somebody else's contract is an error here. With
/// `sections_only` nothing is missed at the outermost level: for a tree that was cut short by a
/// syntax error.
void check_schema(const SpanNode& root, bool machine_read, bool sections_only, Findings& findings);

/// The same description as JSON Schema, draft 2020-12.
Value json_schema();

}  // namespace refute::pipeline
