#pragma once

// Members of a body as its classifiers read them: what is absent, null, of another type and not
// finite are told apart, and none of them ever becomes a number.

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/instruments/observation.hpp"

namespace refute::instruments {

struct NumberField {
  enum class State : std::uint8_t { absent, null, wrong_type, non_finite, number };

  State state = State::absent;
  double value = 0;  ///< of a number
};
/// "nan", "inf", "Infinity" and the like, which some writers use for want of a number, are not
/// finite; any other text is of the wrong type.
NumberField number_of(const Value& value);
NumberField number_field(const Value& body, std::string_view key);

/// There and not null.
bool given(const Value& body, std::string_view key);

/// Null where it is absent or no text.
const std::string* text_field(const Value& body, std::string_view key);

/// A text from outside so that no terminal can be driven by it: what is not printable ASCII is
/// escaped, and what is beyond `longest` bytes is cut.
std::string printable(std::string_view text, std::size_t longest);
/// The same, short and in quotes.
std::string quoted(std::string_view text);

/// `value` as a message would show it: a number, a quoted text, or its type.
std::string shown(const Value& value);

/// What keys there are instead of those that are wanted: "it has "speed", "sm"", "it is empty".
std::string keys_of(const Value& body);

/// "key value, key value" of the members that are there.
std::string members(const Value& body, std::span<const std::string_view> keys);

}  // namespace refute::instruments
