#include "harness/model/value.hpp"

#include <limits>

namespace refute {

Value::Value(std::uint64_t i) {
  if (i <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    data_ = static_cast<std::int64_t>(i);
  } else {
    data_ = std::to_string(i);
  }
}

const Value* Value::find(std::string_view key) const {
  if (const Map* map = as_map()) {
    for (const Member& member : *map) {
      if (member.first == key) return &member.second;
    }
  }
  return nullptr;
}

Value& Value::set(std::string_view key, Value value) {
  if (is_null()) data_ = Map{};
  Map& map = std::get<Map>(data_);
  for (Member& member : map) {
    if (member.first == key) {
      member.second = std::move(value);
      return member.second;
    }
  }
  return map.emplace_back(std::string(key), std::move(value)).second;
}

Value& Value::push(Value value) {
  if (is_null()) data_ = List{};
  return std::get<List>(data_).emplace_back(std::move(value));
}

}  // namespace refute
