// CRUX-B-11-002: the gate that lets FP8 through from sm_90 on.

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/instruments/observation.hpp"
#include "harness/instruments/observation_fields.hpp"
#include "kernels/fp8.hpp"

namespace refute::instruments {
namespace {

using enum ObservationOutcome;
using State = NumberField::State;

constexpr double kHighestSm = 999;
constexpr std::array<std::string_view, 2> kMessages = {"message", "error"};

bool names_a_reason(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text.find("hopper") != std::string::npos || text.find("sm_90") != std::string::npos ||
         text.find("capability") != std::string::npos;
}

bool refused(const Value& body) {
  const NumberField status = number_field(body, "exit_code");
  const bool failed =
      given(body, "exit_code") && !(status.state == State::number && status.value == 0);
  return failed || std::ranges::any_of(kMessages, [&](auto key) { return given(body, key); });
}

bool explained(const Value& body) {
  return std::ranges::any_of(kMessages, [&](std::string_view key) {
    const std::string* text = text_field(body, key);
    return text != nullptr && names_a_reason(*text);
  });
}

ObservationOutcome judge_refusal(const Value& body) {
  if (!refused(body)) return refusal_missing;
  if (!explained(body)) return refusal_unexplained;
  const NumberField status = number_field(body, "exit_code");
  return status.state == State::number && status.value == 2 ? incapable_explained
                                                            : refusal_wrong_exit_code;
}

ObservationOutcome judge_sm(const Value& body) {
  const NumberField sm = number_field(body, "sm");
  if (sm.state == State::absent || sm.state == State::null) return missing_sm;
  if (sm.state != State::number || sm.value != std::trunc(sm.value)) return wrong_type_sm;
  if (!(sm.value >= 0 && sm.value <= kHighestSm)) return sm_out_of_range;
  switch (kernels::fp8_gate(static_cast<int>(sm.value))) {
    case kernels::Fp8Gate::not_measured:
      return not_measured;
    case kernels::Fp8Gate::capable:
      return refused(body) ? capable_but_refused : capable;
    case kernels::Fp8Gate::incapable:
      return judge_refusal(body);
  }
  return wrong_type_sm;
}

/// What the device can do beside the gate, where the sm is one.
std::string abilities(ObservationOutcome outcome, const Value& body) {
  if (row_of(outcome).standing != Standing::holds) return "";
  const int sm = static_cast<int>(number_field(body, "sm").value);
  const kernels::Fp8Capability c = kernels::fp8_capability(sm);
  return fmt::format("; sm_{} converts{}{}", sm, c.weight_only ? ", serves weight-only" : "",
                     c.native_gemm ? ", multiplies natively" : "");
}

}  // namespace

ObservationFinding classify_capability(const Value& body, const ObservationLimits&) {
  constexpr auto kKind = ObservationKind::capability;
  constexpr std::array<std::string_view, 4> kKeys = {"sm", "exit_code", "message", "error"};
  if (!body.is_map()) return {kKind, "", not_an_object, shown(body)};
  const ObservationOutcome outcome = judge_sm(body);
  return {kKind, "", outcome, members(body, kKeys) + abilities(outcome, body)};
}

}  // namespace refute::instruments
