#include "harness/instruments/observation_fields.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include <fmt/format.h>

namespace refute::instruments {
namespace {

using State = NumberField::State;

constexpr std::size_t kLongestShown = 80;

bool names_no_number(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text.starts_with('-') || text.starts_with('+')) text.erase(0, 1);
  return text == "nan" || text == "inf" || text == "infinity";
}

}  // namespace

NumberField number_of(const Value& value) {
  if (value.is_null()) return {State::null, 0};
  if (const auto* i = value.as_int()) return {State::number, static_cast<double>(*i)};
  if (const auto* d = value.as_double()) {
    return std::isfinite(*d) ? NumberField{State::number, *d} : NumberField{State::non_finite, 0};
  }
  const auto* text = value.as_string();
  return {text != nullptr && names_no_number(*text) ? State::non_finite : State::wrong_type, 0};
}

NumberField number_field(const Value& body, std::string_view key) {
  const Value* value = body.find(key);
  return value == nullptr ? NumberField{} : number_of(*value);
}

bool given(const Value& body, std::string_view key) {
  const Value* value = body.find(key);
  return value != nullptr && !value->is_null();
}

const std::string* text_field(const Value& body, std::string_view key) {
  const Value* value = body.find(key);
  return value == nullptr ? nullptr : value->as_string();
}

std::string printable(std::string_view text, std::size_t longest) {
  std::string out;
  for (const char c : text.substr(0, longest)) {
    const bool plain = c >= ' ' && c <= '~' && c != '\\';
    out += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return out + (text.size() > longest ? "..." : "");
}

std::string quoted(std::string_view text) {
  return '"' + printable(text, kLongestShown) + '"';
}

std::string shown(const Value& value) {
  if (value.is_null()) return "null";
  if (const auto* b = value.as_bool()) return *b ? "true" : "false";
  if (const auto* i = value.as_int()) return fmt::format("{}", *i);
  if (const auto* d = value.as_double()) return fmt::format("{:.9g}", *d);
  if (const auto* s = value.as_string()) return quoted(*s);
  return value.is_list() ? "a list" : "an object";
}

std::string keys_of(const Value& body) {
  constexpr std::size_t kShown = 8;
  if (!body.is_map()) return "it is " + shown(body);
  const Value::Map& map = *body.as_map();
  if (map.empty()) return "it is empty";
  std::string text = "it has ";
  for (std::size_t i = 0; i < std::min(map.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + quoted(map[i].first);
  }
  return text + (map.size() > kShown ? ", ..." : "");
}

std::string members(const Value& body, std::span<const std::string_view> keys) {
  std::string text;
  for (const std::string_view key : keys) {
    const Value* value = body.find(key);
    if (value == nullptr) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key, shown(*value));
  }
  return text;
}

}  // namespace refute::instruments
