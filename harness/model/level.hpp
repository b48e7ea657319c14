#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace refute {

/// How far a claim is discharged. The first five rise; `refuted` stands above every level until
/// claim or code changes.
enum class Level { unbound, open, partial_algorithm_level, functional, discharged, refuted };

/// The words as contracts and reports write them.
constexpr std::array<std::string_view, 6> kLevelNames = {
    "UNBOUND", "OPEN", "PARTIAL_ALGORITHM_LEVEL", "FUNCTIONAL", "DISCHARGED", "REFUTED"};

constexpr std::string_view to_string(Level level) {
  return kLevelNames[static_cast<int>(level)];
}

constexpr std::optional<Level> level_from(std::string_view word) {
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (kLevelNames[i] == word) return static_cast<Level>(i);
  }
  return std::nullopt;
}

}  // namespace refute
