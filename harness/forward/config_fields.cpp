#include "harness/forward/config_fields.hpp"

#include <cmath>

#include <fmt/format.h>

namespace refute::forward {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 24;  // no dimension of a model is near it

std::optional<double> as_number(const Value& value) {
  if (const double* d = value.as_double()) return *d;
  if (const std::int64_t* i = value.as_int()) return static_cast<double>(*i);
  return std::nullopt;
}

}  // namespace

const Value* ConfigFields::find(std::string_view key) const {
  const Value* value = map_.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

void ConfigFields::refuse(const std::string& what, const std::string& hint) {
  if (!error_) error_ = Error{what_.empty() ? what : what_ + ": " + what, hint};
}

std::size_t ConfigFields::count(std::string_view key, std::optional<std::size_t> otherwise) {
  const Value* value = find(key);
  if (value == nullptr && otherwise) return *otherwise;
  const std::int64_t* n = value == nullptr ? nullptr : value->as_int();
  if (n != nullptr && *n >= 1 && *n <= kMost) return static_cast<std::size_t>(*n);
  refuse(value == nullptr ? fmt::format("has no {}", key)
                          : fmt::format("{} is no whole number from 1 to {}", key, kMost));
  return 1;
}

std::size_t ConfigFields::count_or_zero(std::string_view key, std::size_t otherwise) {
  const Value* value = find(key);
  return value != nullptr && *value == Value(0) ? 0 : count(key, otherwise);
}

double ConfigFields::positive(std::string_view key, std::optional<double> otherwise) {
  const Value* value = find(key);
  if (value == nullptr && otherwise) return *otherwise;
  const auto number = value == nullptr ? std::nullopt : as_number(*value);
  if (number && std::isfinite(*number) && *number > 0) return *number;
  refuse(value == nullptr ? fmt::format("has no {}", key)
                          : fmt::format("{} is no positive number", key));
  return 1;
}

bool ConfigFields::flag(std::string_view key, bool otherwise) {
  const Value* value = find(key);
  if (value == nullptr) return otherwise;
  if (const bool* b = value->as_bool()) return *b;
  refuse(fmt::format("{} is neither true nor false", key));
  return otherwise;
}

std::string ConfigFields::text(std::string_view key, std::optional<std::string> otherwise) {
  const Value* value = find(key);
  if (value == nullptr && otherwise) return *otherwise;
  if (const std::string* text = value == nullptr ? nullptr : value->as_string()) return *text;
  refuse(value == nullptr ? fmt::format("has no {}", key) : fmt::format("{} is no text", key));
  return "";
}

}  // namespace refute::forward
