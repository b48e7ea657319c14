#include "harness/pipeline/execute/fields.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/model/near_miss.hpp"

namespace refute::pipeline {
namespace {

const Value kNull;
const Value kEmptyMap{Value::Map{}};
const Value::List kEmptyList;

}  // namespace

bool looks_like_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Fields::Fields(const Value& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_map()) fail("must be an object");
}

void Fields::fail(std::string problem) {
  if (problem_.empty()) problem_ = std::move(problem);
}

void Fields::wrong(std::string_view name, std::string_view wanted) {
  fail(fmt::format("\"{}{}\" must be {}", where_, name, wanted));
}

const Value* Fields::find(std::string_view name, bool required) {
  asked_.push_back(name);
  const Value* value = object_.find(name);
  if (value == nullptr && required) fail(fmt::format("\"{}{}\" is missing", where_, name));
  return value;
}

std::string Fields::text(std::string_view name) {
  const Value* value = find(name, true);
  if (value == nullptr) return "";
  if (const std::string* text = value->as_string()) return *text;
  wrong(name, "a text");
  return "";
}

std::string Fields::filled_text(std::string_view name) {
  std::string value = text(name);
  if (good() && value.find_first_not_of(" \t\r\n") == std::string::npos)
    wrong(name, "a text that is not empty");
  return value;
}

std::uint64_t Fields::count(std::string_view name) {
  const Value* value = find(name, true);
  if (value == nullptr) return 0;
  const std::int64_t* number = value->as_int();
  if (number == nullptr || *number < 0) {
    wrong(name, "a whole number that is not negative");
    return 0;
  }
  return static_cast<std::uint64_t>(*number);
}

std::size_t Fields::word(std::string_view name, std::span<const std::string_view> words) {
  const std::string given = text(name);
  const auto at = std::ranges::find(words, given);
  if (at == words.end()) {
    wrong(name, fmt::format("one of {}, not \"{}\"", fmt::join(words, ", "), given));
    return 0;
  }
  return static_cast<std::size_t>(at - words.begin());
}

const Value::List& Fields::list(std::string_view name) {
  const Value* value = find(name, true);
  if (value == nullptr) return kEmptyList;
  if (const Value::List* list = value->as_list()) return *list;
  wrong(name, "a list");
  return kEmptyList;
}

Digest Fields::digest(std::string_view name) {
  Digest digest{text(name)};
  if (good() && !looks_like_digest(digest.text))
    wrong(name, "a SHA-256 in 64 lower-case hex digits");
  return digest;
}

std::string Fields::optional_text(std::string_view name) {
  return object_.find(name) == nullptr ? (asked_.push_back(name), "") : text(name);
}

std::uint64_t Fields::optional_count(std::string_view name) {
  return object_.find(name) == nullptr ? (asked_.push_back(name), 0) : count(name);
}

bool Fields::optional_flag(std::string_view name) {
  const Value* value = find(name, false);
  if (value == nullptr) return false;
  if (const bool* flag = value->as_bool()) return *flag;
  wrong(name, "true or false");
  return false;
}

std::vector<std::string> Fields::optional_texts(std::string_view name) {
  std::vector<std::string> texts;
  for (const Value& item : optional_list(name)) {
    const std::string* text = item.as_string();
    if (text == nullptr || text->empty()) {
      wrong(name, "a list of texts that are not empty");
      return {};
    }
    if (std::ranges::find(texts, *text) != texts.end())
      fail(fmt::format("\"{}{}\" names {} twice", where_, name, *text));
    texts.push_back(*text);
  }
  return texts;
}

const Value& Fields::optional_map(std::string_view name) {
  const Value* value = find(name, false);
  if (value == nullptr || value->is_null()) return kEmptyMap;
  if (value->is_map()) return *value;
  wrong(name, "an object");
  return kEmptyMap;
}

const Value::List& Fields::optional_list(std::string_view name) {
  return object_.find(name) == nullptr ? (asked_.push_back(name), kEmptyList) : list(name);
}

const Value& Fields::any(std::string_view name) {
  const Value* value = find(name, false);
  return value == nullptr ? kNull : *value;
}

void Fields::close() {
  if (!good()) return;
  for (const auto& [name, value] : *object_.as_map()) {
    if (std::ranges::find(asked_, name) != asked_.end()) continue;
    const std::string near = near_miss(name, asked_);
    return fail(fmt::format("\"{}{}\" is not a member that this protocol knows{}", where_, name,
                            near.empty() ? "" : "; " + did_you_mean(near)));
  }
}

}  // namespace refute::pipeline
