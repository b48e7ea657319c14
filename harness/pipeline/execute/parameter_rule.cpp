#include "harness/pipeline/execute/parameter_rule.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/json/json.hpp"
#include "harness/model/near_miss.hpp"

namespace refute::pipeline {
namespace {

using Kind = ParameterRule::Kind;
using Problem = std::optional<ParameterProblem>;

constexpr std::array<std::string_view, 8> kKinds = {"count", "counts",       "real", "reals",
                                                    "band",  "real_or_band", "word", "words"};
// A word is a name or a shape. std::regex recurses once per character, so its input is bounded.
constexpr std::size_t kMostWord = 2000;

std::optional<double> number(const Value& value) {
  if (const auto* i = value.as_int()) return static_cast<double>(*i);
  if (const auto* d = value.as_double(); d != nullptr && std::isfinite(*d)) return *d;
  return std::nullopt;
}

std::string limits_of(const ParameterRule& rule) {
  if (rule.least && rule.most) return fmt::format("from {} to {}", *rule.least, *rule.most);
  if (rule.least) return fmt::format("of at least {}", *rule.least);
  if (rule.most) return fmt::format("of at most {}", *rule.most);
  return "";
}

Problem number_problem(const Value& value, const ParameterRule& rule, bool whole) {
  const std::string limits = limits_of(rule);
  const std::string wanted = fmt::format("write a {}{}{}", whole ? "whole number" : "number",
                                         limits.empty() ? "" : " ", limits);
  const auto given = number(value);
  if (!given || (whole && value.as_int() == nullptr))
    return ParameterProblem{
        fmt::format("{} is no {}", json::dump(value), whole ? "whole number" : "finite number"),
        wanted};
  if ((rule.least && !(*given >= *rule.least)) || (rule.most && !(*given <= *rule.most)))
    return ParameterProblem{fmt::format("{} is out of range", json::dump(value)), wanted};
  return std::nullopt;
}

std::string words_help(const std::string& given, const ParameterRule& rule) {
  const std::string near = near_miss(given, rule.words);
  if (!near.empty()) return did_you_mean(near);
  return fmt::format("there are {}", fmt::join(rule.words, ", "));
}

Problem word_problem(const Value& value, const ParameterRule& rule) {
  const std::string* given = value.as_string();
  const std::string example =
      rule.example.empty() ? "write a word" : fmt::format("write one like `{}`", rule.example);
  if (given == nullptr)
    return ParameterProblem{fmt::format("{} is no word", json::dump(value)),
                            rule.words.empty() ? example : words_help("", rule)};
  if (!rule.words.empty() && std::ranges::find(rule.words, *given) == rule.words.end())
    return ParameterProblem{fmt::format("`{}` is none of its words", *given),
                            words_help(*given, rule)};
  if (rule.pattern && (given->size() > kMostWord || !std::regex_match(*given, *rule.pattern)))
    return ParameterProblem{fmt::format("`{}` is malformed", given->substr(0, 200)), example};
  return std::nullopt;
}

Problem item_problem(const Value& value, const ParameterRule& rule) {
  switch (rule.kind) {
    case Kind::count:
    case Kind::counts:
      return number_problem(value, rule, true);
    case Kind::real:
    case Kind::reals:
    case Kind::band:
    case Kind::real_or_band:
      return number_problem(value, rule, false);
    case Kind::word:
    case Kind::words:
      return word_problem(value, rule);
  }
  return std::nullopt;
}

Problem list_problem(const Value& value, const ParameterRule& rule) {
  const Value::List* list = value.as_list();
  if (list == nullptr)
    return ParameterProblem{fmt::format("{} is no list", json::dump(value)),
                            fmt::format("write [{}]", json::dump(value))};
  if (list->empty())
    return ParameterProblem{"the list is empty, so nothing would be run", "name at least one"};
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Value& item = (*list)[i];
    if (Problem problem = item_problem(item, rule)) {
      problem->item = i;
      return problem;
    }
    const auto here = list->begin() + static_cast<std::ptrdiff_t>(i);
    if (rule.kind == Kind::words && std::find(list->begin(), here, item) != here)
      return ParameterProblem{fmt::format("{} stands there twice", json::dump(item)),
                              "name it once", i};
  }
  return std::nullopt;
}

Problem band_problem(const Value& value, const ParameterRule& rule) {
  const ParameterProblem shape = {fmt::format("{} is no band", json::dump(value)),
                                  "write [low, high] with low < high"};
  const Value::List* ends = value.as_list();
  if (ends == nullptr || ends->size() != 2) return shape;
  for (const Value& end : *ends) {
    if (Problem problem = item_problem(end, rule)) return problem;
  }
  if (!(*number((*ends)[0]) < *number((*ends)[1]))) return shape;
  return std::nullopt;
}

ParameterRule read_rule(const std::string& name, Fields& fields) {
  ParameterRule rule;
  rule.name = name;
  rule.kind = static_cast<Kind>(fields.word("kind", kKinds));
  rule.least = number(fields.any("least"));
  rule.most = number(fields.any("most"));
  rule.words = fields.optional_texts("words");
  rule.example = fields.optional_text("example");
  const std::string pattern = fields.optional_text("pattern");
  fields.close();
  if (pattern.empty()) return rule;
  try {
    rule.pattern.emplace(pattern);
  } catch (const std::regex_error&) {
    fields.fail(fmt::format("\"parameters/{}/pattern\" is no regular expression", name));
  }
  return rule;
}

}  // namespace

std::vector<ParameterRule> read_parameter_rules(Fields& fields) {
  std::vector<ParameterRule> rules;
  for (const auto& [name, value] : *fields.optional_map("parameters").as_map()) {
    Fields rule_fields(value, fmt::format("parameters/{}/", name));
    rules.push_back(read_rule(name, rule_fields));
    if (!rule_fields.good()) fields.fail(rule_fields.problem());
  }
  return rules;
}

Problem problem_with(const Value& value, const ParameterRule& rule) {
  switch (rule.kind) {
    case Kind::count:
    case Kind::real:
    case Kind::word:
      return item_problem(value, rule);
    case Kind::counts:
    case Kind::reals:
    case Kind::words:
      return list_problem(value, rule);
    case Kind::band:
      return band_problem(value, rule);
    case Kind::real_or_band:
      return value.as_list() != nullptr ? band_problem(value, rule) : item_problem(value, rule);
  }
  return std::nullopt;
}

}  // namespace refute::pipeline
