#pragma once

#include <string_view>

#include "harness/worker/row.hpp"

namespace refute::worker {

/// What a parameter may be. The names travel in `--list`, so that a contract with a misspelt word
/// or an impossible number is refused before anything runs, with its place in the file.
enum class ParameterKind { count, counts, real, reals, band, real_or_band, word, words };

std::string_view to_string(ParameterKind kind);

/// The values that one parameter takes in every row of a worker.
struct ParameterRule {
  std::string_view name;
  ParameterKind kind;
  double least = 0, most = 0;  ///< of each number; no limits when both are zero
  Words words{};               ///< the only ones there are; empty: any
  std::string_view pattern{};  ///< an ECMAScript regular expression that each word matches wholly
  std::string_view example{};  ///< of a word that matches
};

// Short spellings for tables.
constexpr ParameterRule count_up_to(std::string_view name, double most) {
  return {name, ParameterKind::count, 1, most};
}
constexpr ParameterRule counts_up_to(std::string_view name, double most) {
  return {name, ParameterKind::counts, 1, most};
}
constexpr ParameterRule real_within(std::string_view name, double least, double most) {
  return {name, ParameterKind::real, least, most};
}
constexpr ParameterRule words_of(std::string_view name, Words words) {
  return {name, ParameterKind::words, 0, 0, words};
}

}  // namespace refute::worker
