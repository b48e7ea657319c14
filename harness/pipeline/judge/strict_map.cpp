#include "harness/pipeline/judge/strict_map.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace refute::pipeline {
namespace {

const Value kNothing;
const Value::List kNoItems;

}  // namespace

bool is_digest(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

StrictMap::StrictMap(const Value& value, std::string where)
    : value_(value), where_(std::move(where)) {
  if (!value.is_map()) error_ = Error{where_ + ": is no JSON object", ""};
}

void StrictMap::fail(std::string_view key, const std::string& what) {
  if (!error_) error_ = Error{fmt::format("{}.{}: {}", where_, key, what), ""};
}

const Value* StrictMap::take(std::string_view key) {
  taken_.insert(std::string(key));
  const Value* found = value_.find(key);
  if (found == nullptr) fail(key, "is missing");
  return found;
}

const Value& StrictMap::any(std::string_view key) {
  const Value* found = take(key);
  return found == nullptr ? kNothing : *found;
}

std::string StrictMap::text(std::string_view key) {
  const std::string* found = any(key).as_string();
  if (found != nullptr) return *found;
  fail(key, "is no text");
  return "";
}

std::int64_t StrictMap::integer(std::string_view key) {
  const std::int64_t* found = any(key).as_int();
  if (found != nullptr) return *found;
  fail(key, "is no integer");
  return 0;
}

std::uint64_t StrictMap::count(std::string_view key) {
  const std::int64_t found = integer(key);
  if (found < 0) fail(key, "is negative");
  return found < 0 ? 0 : static_cast<std::uint64_t>(found);
}

double StrictMap::number(std::string_view key) {
  const Value& found = any(key);
  if (const double* d = found.as_double()) return *d;
  if (const std::int64_t* i = found.as_int()) return static_cast<double>(*i);
  fail(key, "is no number");
  return 0;
}

bool StrictMap::truth(std::string_view key) {
  const bool* found = any(key).as_bool();
  if (found == nullptr) fail(key, "is neither true nor false");
  return found != nullptr && *found;
}

Digest StrictMap::digest(std::string_view key) {
  const std::string found = text(key);
  if (!is_digest(found)) fail(key, "is no SHA-256 in 64 lower-case hex digits");
  return {found};
}

Digest StrictMap::digest_or_none(std::string_view key) {
  const std::string found = text(key);
  if (!found.empty() && !is_digest(found)) {
    fail(key, "is neither empty nor a SHA-256 in 64 lower-case hex digits");
  }
  return {found};
}

const Value::List& StrictMap::list(std::string_view key) {
  const Value::List* found = any(key).as_list();
  if (found != nullptr) return *found;
  fail(key, "is no list");
  return kNoItems;
}

StrictMap StrictMap::map(std::string_view key) {
  return {any(key), fmt::format("{}.{}", where_, key)};
}

std::uint64_t StrictMap::number_text(std::string_view key) {
  const std::string found = text(key);
  std::uint64_t number = 0;
  const char* last = found.data() + found.size();
  const auto [end, problem] = std::from_chars(found.data(), last, number);
  if (problem != std::errc{} || end != last || std::to_string(number) != found) {
    fail(key, "is no unsigned 64-bit number in decimal text");
  }
  return number;
}

void StrictMap::absorb(const StrictMap& inner) {
  if (!error_) error_ = inner.error_;
}

std::optional<Error> StrictMap::finish() {
  if (const Value::Map* members = value_.as_map()) {
    for (const auto& [key, value] : *members) {
      if (!taken_.contains(key)) fail(key, "is unknown to this schema");
    }
  }
  return error_;
}

}  // namespace refute::pipeline
