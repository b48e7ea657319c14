// CRUX-L-02-004: a head_dim that is refused, and not served slowly.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/instruments/observation.hpp"
#include "harness/instruments/observation_fields.hpp"

namespace refute::instruments {
namespace {

using enum ObservationOutcome;
using State = NumberField::State;

/// Whether the word stands in the text on its own, not as a part of a longer one.
bool has_word(std::string_view text, std::string_view word) {
  const auto inside = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !inside(text[at - 1])) && (end == text.size() || !inside(text[end]))) {
      return true;
    }
  }
  return false;
}

bool has_result(const Value& body) {
  constexpr std::array<std::string_view, 5> kResults = {"attn_impl", "kernel_source", "fallback",
                                                        "max_abs_diff", "cosine_sim"};
  return std::ranges::any_of(kResults, [&](std::string_view key) { return given(body, key); });
}

bool supported(const Value& section) {
  const NumberField head_dim = number_field(section, "head_dim");
  return head_dim.state == State::number && (head_dim.value == 64 || head_dim.value == 128);
}

ObservationOutcome judge_head_dim(const Value& body) {
  if (!given(body, "error")) return missing_error;
  const std::string* error = text_field(body, "error");
  if (error == nullptr) return wrong_type_error;
  if (error->find_first_not_of(" \t\r\n") == std::string::npos) return empty_error;
  if (!has_word(*error, "unsupported-head-dim")) {
    const bool mentioned = error->find("head_dim") != std::string::npos ||
                           error->find("head-dim") != std::string::npos;
    return mentioned ? head_dim_without_reason : error_about_something_else;
  }
  if (has_result(body)) return result_beside_error;
  const Value* shape = body.find("shape");
  if (supported(body) || (shape != nullptr && supported(*shape))) return supported_head_dim_refused;
  const NumberField status = number_field(body, "exit_code");
  const bool wrong =
      given(body, "exit_code") && !(status.state == State::number && status.value == 1);
  return wrong ? wrong_exit_code : unsupported_head_dim;
}

}  // namespace

ObservationFinding classify_head_dim_error(const Value& body, const ObservationLimits&) {
  constexpr auto kKind = ObservationKind::head_dim_error;
  constexpr std::array<std::string_view, 3> kKeys = {"error", "head_dim", "exit_code"};
  if (!body.is_map()) return {kKind, "", not_an_object, shown(body)};
  return {kKind, "", judge_head_dim(body), members(body, kKeys)};
}

}  // namespace refute::instruments
