// Every number that decides has to be finite, and to say where it comes from.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

template <std::size_t N>
bool has_word(std::string_view name, const std::array<std::string_view, N>& words) {
  while (!name.empty()) {
    const std::size_t end = name.find_first_of("_-.");
    const std::string_view word = name.substr(0, end);
    if (std::ranges::any_of(words, [&](std::string_view w) { return same_word(w, word); }))
      return true;
    if (end == std::string_view::npos) break;
    name.remove_prefix(end + 1);
  }
  return false;
}

// A name with one of these words decides what passes, so it needs an origin also when it is a whole
// number.
constexpr auto kDeciding = std::to_array<std::string_view>(
    {"tolerance", "tol", "atol", "rtol", "band", "bound", "bounds", "threshold", "epsilon", "eps",
     "error", "ulp", "ulps", "deviation", "rmse", "cosine"});
constexpr auto kTolerances =
    std::to_array<std::string_view>({"tolerance", "tol", "atol", "rtol", "epsilon", "eps"});
// What errors are compared with. A pair of these is a band, and none of them is below zero.
constexpr auto kErrorLimits =
    std::to_array<std::string_view>({"tolerance", "tol", "atol", "rtol", "epsilon", "eps", "error",
                                     "threshold", "limit", "deviation", "rmse", "ulp", "ulps"});
constexpr double kBeyondEveryError = 6.8e38;  ///< twice the largest f32
constexpr auto kCounts = std::to_array<std::string_view>(
    {"cases", "samples", "trials", "seeds", "iterations", "repeats"});

bool decides(std::string_view name) {
  return has_word(name, kDeciding);
}
bool is_tolerance(std::string_view name) {
  return has_word(name, kTolerances);
}
bool limits_errors(std::string_view name) {
  return has_word(name, kErrorLimits);
}
bool is_count(std::string_view name) {
  return has_word(name, kCounts);
}

/// Begins with a digit and holds nothing but digits, separators, and letters that pass for digits.
bool looks_like_number(std::string_view text) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  if (std::ranges::count(text, '.') > 1) return false;  // a version
  return text.find_first_not_of("0123456789.,_' OolI") == std::string_view::npos;
}

bool is_number(const Scalar& s) {
  return std::holds_alternative<std::int64_t>(s) || std::holds_alternative<double>(s);
}

template <class Predicate>
bool any_scalar(const SpanNode& node, Predicate predicate) {
  if (node.is_scalar()) return predicate(read_scalar(node));
  return std::ranges::any_of(node.items,
                             [&](const SpanNode& item) { return any_scalar(item, predicate); });
}

bool has_real(const SpanNode& node) {
  return any_scalar(node, [](const Scalar& s) { return std::holds_alternative<double>(s); });
}
bool has_number(const SpanNode& node) {
  return any_scalar(node, is_number);
}

class Parameters {
 public:
  Parameters(const Document& document, Findings& findings)
      : document_(document), findings_(findings) {}

  void check() {
    for (const std::string_view section :
         {"proof_obligations", "falsification_tests", "equations"}) {
      for (const SpanNode* entry : document_.entries(section)) check_tolerances(*entry);
    }
    if (const SpanNode* equations = document_.root.find("equations")) {
      for (const SpanMember& equation : equations->members) check_tolerances(equation.value);
    }
    for (const SpanNode* claim : document_.claims()) check_claim(*claim);
  }

 private:
  void check_tolerances(const SpanNode& owner) {
    for (const std::string_view key : {"tolerance", "float_tolerance"}) {
      if (const SpanNode* node = owner.find(key)) check_tolerance(*node);
    }
  }

  void check_tolerance(const SpanNode& node) {
    for (const SpanNode& item : node.items) check_tolerance(item);
    for (const SpanMember& member : node.members) {
      const bool number = member.value.is_scalar() &&
                          !std::holds_alternative<std::string_view>(read_scalar(member.value));
      if (number) check_tolerance(member.value);
    }
    if (!node.is_scalar()) return;
    const Scalar scalar = read_scalar(node);
    if (!check_finite(node, scalar)) return;
    double storage = 0;
    if (const double* value = as_number(scalar, storage)) {
      check_sign("a tolerance", node, *value, document_.graded());
      return check_zero(node, *value);
    }
    check_words(node, trimmed(node.text));
  }

  bool check_finite(const SpanNode& node, const Scalar& scalar) {
    if (std::holds_alternative<NotANumber>(scalar)) {
      findings_.add("RF0501", Severity::error, node,
                    fmt::format("`{}` is no number: every comparison with it fails", node.text));
    } else if (std::holds_alternative<Infinite>(scalar)) {
      findings_.add("RF0501", Severity::error, node,
                    fmt::format("`{}` is not a finite number", node.text),
                    "an infinite tolerance accepts everything; write the number that is meant");
    } else if (std::holds_alternative<OddNumber>(scalar)) {
      findings_.add("RF0215", Severity::error, node,
                    fmt::format("`{}` is read differently by different programs", node.text),
                    "write the number in plain decimals, or quote it if it is a text");
    } else {
      return true;
    }
    return false;
  }

  void check_sign(std::string_view what, const SpanNode& node, double value, Severity endless) {
    if (value < 0) {
      findings_.add("RF0502", Severity::error, node,
                    fmt::format("{} of {} accepts nothing", what, node.text), "drop the sign");
    } else if (value >= kBeyondEveryError) {
      findings_.add("RF0509", endless, node,
                    fmt::format("{} of {} accepts everything", what, node.text),
                    "write what an error may be; no two f32 numbers lie that far apart");
    }
  }

  void check_zero(const SpanNode& node, double value) {
    if (value == 0) {
      findings_.add("RF0503", Severity::warning, node, "a tolerance of 0 asks for equality",
                    "say so: `exact` in words, or type: equivalence");
    }
  }

  void check_words(const SpanNode& node, std::string_view text) {
    constexpr auto kEndless =
        std::to_array<std::string_view>({"inf", "infinity", "nan", "+inf", "-inf"});
    if (std::ranges::any_of(kEndless, [&](std::string_view w) { return same_word(w, text); })) {
      findings_.add("RF0501", Severity::error, node,
                    fmt::format("`{}` is not a finite number", text));
    } else if (is_placeholder(text)) {
      findings_.add("RF0208", Severity::error, node, fmt::format("`{}` is a placeholder", text),
                    "write the tolerance");
    }
  }

  void check_claim(const SpanNode& claim) {
    const SpanNode* parameters = claim.find("parameters");
    if (parameters == nullptr) return;
    for (const SpanMember& parameter : parameters->members) {
      if (parameter.key.starts_with("x-")) continue;
      if (parameter.value.is_map()) {
        check_explained(parameter);
      } else {
        check_plain(parameter);
      }
    }
  }

  void check_plain(const SpanMember& parameter) {
    check_value(parameter.key, parameter.value);
    const bool needs_origin =
        has_real(parameter.value) || (decides(parameter.key) && has_number(parameter.value));
    if (needs_origin) report_origin(parameter);
  }

  void check_explained(const SpanMember& parameter) {
    const SpanNode* value = parameter.value.find("value");
    if (value == nullptr) return;
    if (value->is_map()) {
      findings_.add("RF0205", Severity::error, *value,
                    "a parameter is a number, a text or a list, this is a map");
      return;
    }
    const bool has_origin = !is_blank_text(parameter.value.text_of("origin"));
    const bool has_reason = !is_blank_text(parameter.value.text_of("because"));
    check_value(parameter.key, *value);
    if (!has_origin && (has_number(*value) || has_reason)) report_origin(parameter);
    if (has_origin && !has_reason) {
      findings_.add("RF0505", Severity::error, parameter,
                    fmt::format("`{}` has an origin and no reason", parameter.key),
                    "add because: the derivation, the measurement, or the reason of the choice");
    }
  }

  void report_origin(const SpanMember& parameter) {
    findings_.add("RF0504", Severity::error, parameter,
                  fmt::format("`{}` does not say where it comes from", parameter.key),
                  fmt::format("write `{}: {{value: …, origin: derived, because: …}}`; an origin is "
                              "derived, calibrated or chosen",
                              parameter.key));
  }

  void check_value(std::string_view name, const SpanNode& value) {
    if (value.is_scalar()) check_number(name, value);
    if (value.is_list() && value.items.empty()) {
      findings_.add("RF0207", Severity::error, value,
                    fmt::format("the list of `{}` is empty", name),
                    "give it at least one value, or remove the parameter");
      return;
    }
    for (const SpanNode& item : value.items) {
      if (item.is_map()) {
        findings_.add("RF0205", Severity::error, item,
                      "a list of parameters holds numbers, texts or lists, this is a map");
      } else {
        check_value(name, item);
      }
    }
    const bool pair = limits_errors(name) && value.items.size() == 2;
    const bool band = has_word(name, std::to_array<std::string_view>({"band"}));
    if (value.is_list() && (band || pair)) check_band(name, value);
  }

  void check_number(std::string_view name, const SpanNode& node) {
    const Scalar scalar = read_scalar(node);
    if (!check_finite(node, scalar)) return;
    double storage = 0;
    const double* number = as_number(scalar, storage);
    if (number == nullptr) return check_text(name, node, scalar);
    if (limits_errors(name)) {
      check_sign(fmt::format("`{}`", name), node, *number, Severity::error);
      if (is_tolerance(name)) check_zero(node, *number);
    } else if (is_count(name) && !(*number >= 1)) {
      findings_.add("RF0507", Severity::error, node,
                    fmt::format("`{}` is {}: nothing would be tried", name, node.text));
    }
  }

  /// A count that is a text, or a text that looks as though a number was meant: 3OO, 1,000, 2_048.
  void check_text(std::string_view name, const SpanNode& node, const Scalar& scalar) {
    if (!std::holds_alternative<std::string_view>(scalar)) return;
    if (decides(name) || limits_errors(name)) check_words(node, trimmed(node.text));
    const bool meant = node.style == SpanNode::Style::plain && looks_like_number(node.text);
    const bool quoted = limits_errors(name) && is_number(read_plain_scalar(trimmed(node.text)));
    if (!is_count(name) && !meant && !quoted) return;
    findings_.add("RF0508", Severity::error, node,
                  fmt::format("`{}` is the text `{}` and no number", name, node.text),
                  "write the number in plain digits, without separators and quotes");
  }

  void check_band(std::string_view name, const SpanNode& band) {
    const bool nested =
        std::ranges::any_of(band.items, [](const SpanNode& i) { return i.is_list(); });
    if (nested) return;  // a list of bands: each was judged by itself
    double low = 0, high = 0;
    if (band.items.size() == 2 && number_of(band.items[0], low) && number_of(band.items[1], high) &&
        low < high)
      return;
    findings_.add("RF0506", Severity::error, band, fmt::format("`{}` is no band", name),
                  "write [least, most], the least below the most");
  }

  static bool number_of(const SpanNode& node, double& out) {
    if (!node.is_scalar()) return false;
    const Scalar scalar = read_scalar(node);
    const double* number = as_number(scalar, out);
    if (number == nullptr) return false;
    out = *number;
    return true;
  }

  const Document& document_;
  Findings& findings_;
};

}  // namespace

void lint_parameters(const Document& document, Findings& findings) {
  Parameters(document, findings).check();
}

}  // namespace refute::pipeline
