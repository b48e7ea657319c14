#pragma once

// The only home of nlohmann/json. Everything else works on refute::Value.

#include <cstddef>
#include <string>
#include <string_view>

#include "harness/model/result.hpp"
#include "harness/model/value.hpp"

namespace refute::json {

/// What a document from outside may cost.
struct Bounds {
  std::size_t bytes = 16u << 20;
  std::size_t depth = 64;
  std::size_t nodes = 1'000'000;
};

/// Reads one JSON document. Refuses duplicate keys, invalid UTF-8, text after the end, anything
/// beyond the bounds, and numbers that overflow a double; the error names line and column. Integers
/// beyond int64 and up to uint64 become text.
Result<Value> parse(std::string_view text, const Bounds& bounds = {});

/// One line, members in their order. Non-finite doubles are written as the strings "nan", "inf",
/// "-inf": JSON has no such numbers, and null would lose which it was. Invalid UTF-8 in a string is
/// written as U+FFFD, not thrown.
std::string dump(const Value& value);

/// The same, indented by two spaces, with a newline at the end.
std::string dump_pretty(const Value& value);

}  // namespace refute::json
