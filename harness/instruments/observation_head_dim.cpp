// CRUX-L-02-004: a head_dim that is refused, and not served slowly.

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/instruments/observation.hpp"
#include "harness/instruments/observation_fields.hpp"

namespace refute::instruments {
namespace {

using enum ObservationOutcome;
using State = NumberField::State;

/// Whether the text gives `reason` as what is wrong: at the start, or after a place and a colon,
/// and then nothing, or punctuation and what is said of it. "this is not unsupported-head-dim" does
/// not.
bool gives_reason(std::string_view text, std::string_view reason) {
  const std::size_t at = text.find(reason);
  if (at == std::string_view::npos) return false;
  const std::size_t end = at + reason.size();
  const bool begins = at == 0 || text.substr(0, at).ends_with(": ");
  return begins && (end == text.size() || text[end] == ':' || text[end] == ',');
}

bool has_result(const Value& body) {
  constexpr std::array<std::string_view, 5> kResults = {"attn_impl", "kernel_source", "fallback",
                                                        "max_abs_diff", "cosine_sim"};
  return std::ranges::any_of(kResults, [&](std::string_view key) { return given(body, key); });
}

/// There and no whole number above zero.
bool malformed(const Value& section) {
  if (section.find("head_dim") == nullptr) return false;
  const NumberField n = number_field(section, "head_dim");
  return n.state != State::number || !(n.value >= 1) || n.value != std::trunc(n.value);
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
  if (!gives_reason(*error, "unsupported-head-dim")) {
    const bool mentioned = error->find("head_dim") != std::string::npos ||
                           error->find("head-dim") != std::string::npos;
    return mentioned ? head_dim_without_reason : error_about_something_else;
  }
  if (has_result(body)) return result_beside_error;
  const Value* shape = body.find("shape");
  if (malformed(body) || (shape != nullptr && malformed(*shape))) return head_dim_malformed;
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
