// CRUX-L-02-003 and -005: which kernel ran, where it comes from, or why it did not run.

#include <algorithm>
#include <array>
#include <optional>
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
  if (source.substr(colon + 1, at - colon - 1).find("naive") != std::string_view::npos ||
      source.substr(colon + 1, at - colon - 1).find("flash") == std::string_view::npos) {
    return kernel_source_other;
  }
  if (!publisher.empty() && source.substr(0, colon) != publisher) return kernel_source_foreign;
  return flash2_named;
}

ObservationOutcome judge_flash2(const Value& body, const ObservationLimits& limits) {
  if (given(body, "fallback")) return provenance_and_fallback;
  if (!given(body, "kernel_source")) return kernel_source_missing;
  const std::string* source = text_field(body, "kernel_source");
  return source == nullptr ? wrong_type_kernel_source : judge_source(*source, limits.publisher);
}

std::string word(const Value& section, std::string_view key) {
  const std::string* text = text_field(section, key);
  return text == nullptr ? "" : *text;
}

/// A head_dim, of the body or its shape, that is there and not one that flash2 takes.
bool foreign_head_dim(const Value& section) {
  if (section.find("head_dim") == nullptr) return false;
  const NumberField n = number_field(section, "head_dim");
  return n.state != NumberField::State::number || (n.value != 64 && n.value != 128);
}

/// What else the body says that cannot be true beside its attn_impl.
std::optional<ObservationOutcome> contradiction(const Value& body, const std::string& impl) {
  const NumberField status = number_field(body, "exit_code");
  const bool failed = given(body, "exit_code") &&
                      !(status.state == NumberField::State::number && status.value == 0);
  if (failed) return failed_run;
  if (given(body, "kernel") && word(body, "kernel") != impl) return kernel_contradicted;
  const Value* shape = body.find("shape");
  if (impl == "flash2" &&
      (foreign_head_dim(body) || (shape != nullptr && foreign_head_dim(*shape)))) {
    return flash2_head_dim;
  }
  if (given(body, "fallback")) {
    // A bare body has only the word, which is the published reason; a whole record says more.
    const bool told = body.find("fallback_reason") != nullptr;
    const bool whole = body.find("schema") != nullptr || body.find("requested") != nullptr;
    const bool empty =
        (told || whole) &&
        word(body, "fallback_reason").find_first_not_of(" \t\r\n") == std::string::npos;
    return empty ? std::optional(fallback_reason_missing) : std::nullopt;
  }
  const Value* asked = body.find("requested");
  if (asked == nullptr) return std::nullopt;
  const bool other_kernel = impl == "flash2" && word(*asked, "impl") == "naive";
  const bool other_device = word(*asked, "device") == "cuda" && word(body, "device") == "cpu";
  return other_kernel || other_device ? std::optional(request_contradicted) : std::nullopt;
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
  if (*impl == "flash2" || *impl == "naive") {
    const ObservationOutcome own =
        *impl == "flash2" ? judge_flash2(body, limits) : judge_naive(body);
    const bool sound = row_of(own).standing != Standing::violated;
    return sound ? contradiction(body, *impl).value_or(own) : own;
  }
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
