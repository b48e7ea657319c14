#pragma once

#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "harness/model/value.hpp"
#include "harness/pipeline/execute/fields.hpp"

namespace refute::pipeline {

/// What a worker says one of its parameters may be (harness/PROTOCOL.md, `parameters`).
struct ParameterRule {
  enum class Kind { count, counts, real, reals, band, real_or_band, word, words };

  std::string name;
  Kind kind = Kind::real;
  std::optional<double> least, most;  ///< of each number
  std::vector<std::string> words;     ///< the only ones there are; empty: any
  std::optional<std::regex> pattern;  ///< that each word matches wholly
  std::string example;                ///< of a word that matches
};

/// Reads the member `parameters` of a listing. What is wrong with it is left in `fields`.
std::vector<ParameterRule> read_parameter_rules(Fields& fields);

/// What is wrong with a value, and what to do about it.
struct ParameterProblem {
  std::string what, help;
  std::optional<std::size_t> item{};  ///< of a list: which one it is
};

/// Nothing when the value is one that the rule allows.
std::optional<ParameterProblem> problem_with(const Value& value, const ParameterRule& rule);

}  // namespace refute::pipeline
