// CRUX-L-02-003 and -005: which kernel ran, where it comes from, or why it did not run.

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

bool is_name(std::string_view text) {
  constexpr std::size_t kLongest = 100;
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= kLongest && letter(text.front()) &&
         std::ranges::all_of(text,
                             [&](char c) { return letter(c) || c == '-' || c == '_' || c == '.'; });
}

ObservationOutcome judge_source(std::string_view source, const std::string& publisher) {
  constexpr std::size_t kDigits = 40;
  const std::size_t colon = source.find(':'), at = source.rfind('@');
  if (colon == std::string_view::npos || at == std::string_view::npos || at < colon) {
    return kernel_source_malformed;
  }
  const std::string_view digits = source.substr(at + 1);
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!is_name(source.substr(0, colon)) || !is_name(source.substr(colon + 1, at - colon - 1)) ||
      digits.size() != kDigits || !std::ranges::all_of(digits, hex)) {
    return kernel_source_malformed;
  }
  if (std::ranges::count(digits, digits.front()) == kDigits) return kernel_source_placeholder;
  if (!publisher.empty() && source.substr(0, colon) != publisher) return kernel_source_foreign;
  return flash2_named;
}

ObservationOutcome judge_flash2(const Value& body, const ObservationLimits& limits) {
  if (given(body, "fallback")) return provenance_and_fallback;
  if (!given(body, "kernel_source")) return kernel_source_missing;
  const std::string* source = text_field(body, "kernel_source");
  return source == nullptr ? wrong_type_kernel_source : judge_source(*source, limits.publisher);
}

bool naive_was_requested(const Value& body) {
  const Value* requested = body.find("requested");
  const std::string* impl = requested == nullptr ? nullptr : text_field(*requested, "impl");
  return impl != nullptr && *impl == "naive";
}

ObservationOutcome judge_naive(const Value& body) {
  constexpr std::array<std::string_view, 3> kReasons = {"no-gpu", "abi", "arch"};
  if (given(body, "kernel_source")) return provenance_and_fallback;
  if (!given(body, "fallback")) {
    return naive_was_requested(body) ? naive_as_requested : fallback_missing;
  }
  const std::string* reason = text_field(body, "fallback");
  if (reason == nullptr) return wrong_type_fallback;
  return std::ranges::find(kReasons, *reason) != kReasons.end() ? fallback_named : fallback_unknown;
}

ObservationOutcome judge_provenance(const Value& body, const ObservationLimits& limits) {
  if (!given(body, "attn_impl")) return missing_attn_impl;
  const std::string* impl = text_field(body, "attn_impl");
  if (impl == nullptr) return wrong_type_attn_impl;
  if (*impl == "flash2") return judge_flash2(body, limits);
  if (*impl == "naive") return judge_naive(body);
  return *impl == "fallback" ? unnamed_attn_impl : unknown_attn_impl;
}

}  // namespace

ObservationFinding classify_provenance(const Value& body, const ObservationLimits& limits) {
  constexpr auto kKind = ObservationKind::provenance;
  constexpr std::array<std::string_view, 3> kKeys = {"attn_impl", "kernel_source", "fallback"};
  if (!body.is_map()) return {kKind, "", not_an_object, shown(body)};
  return {kKind, "", judge_provenance(body, limits), members(body, kKeys)};
}

}  // namespace refute::instruments
