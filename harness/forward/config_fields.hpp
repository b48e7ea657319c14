#pragma once

// Named values out of a model's description, with one error for the first that is not usable.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "harness/model/result.hpp"
#include "harness/model/value.hpp"

namespace refute::forward {

class ConfigFields {
 public:
  /// `what` names the description in errors, as in "rope_scaling"; empty: whoever opened it does.
  /// Keys are looked up in `map`.
  ConfigFields(const Value& map, std::string what) : map_(map), what_(std::move(what)) {}

  /// A whole number from 1 to 2^24; without a default a missing key is an error. null is missing.
  std::size_t count(std::string_view key, std::optional<std::size_t> otherwise = {});
  /// A whole number from 0 to 2^24.
  std::size_t count_or_zero(std::string_view key, std::size_t otherwise);
  /// A positive finite number.
  double positive(std::string_view key, std::optional<double> otherwise = {});
  bool flag(std::string_view key, bool otherwise);
  std::string text(std::string_view key, std::optional<std::string> otherwise = {});

  /// Null where the key is absent or null.
  const Value* find(std::string_view key) const;
  /// Notes that something is wrong; the first note counts.
  void refuse(const std::string& what, const std::string& hint = "");
  const std::optional<Error>& error() const { return error_; }

 private:
  const Value& map_;
  std::string what_;
  std::optional<Error> error_;
};

}  // namespace refute::forward
