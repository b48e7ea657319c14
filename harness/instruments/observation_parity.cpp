// CRUX-L-02-002: how far flash2 is from naive, by the published gate.

#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/instruments/observation.hpp"
#include "harness/instruments/observation_fields.hpp"

namespace refute::instruments {
namespace {

using enum ObservationOutcome;
using State = NumberField::State;

/// What is wrong with a field before its value is looked at.
struct FieldOutcomes {
  std::string_view key;
  ObservationOutcome missing, null, wrong_type, non_finite;
};
constexpr FieldOutcomes kMaxAbsDiff = {"max_abs_diff", missing_max_abs_diff, null_max_abs_diff,
                                       wrong_type_max_abs_diff, non_finite_max_abs_diff};
constexpr FieldOutcomes kCosineSim = {"cosine_sim", missing_cosine_sim, null_cosine_sim,
                                      wrong_type_cosine_sim, non_finite_cosine_sim};

std::optional<ObservationFinding> unreadable(const Value& body, const FieldOutcomes& f) {
  const auto fail = [&](ObservationOutcome outcome) {
    const Value* value = body.find(f.key);
    return ObservationFinding{ObservationKind::parity, "", outcome,
                              value == nullptr ? fmt::format("no {}; {}", f.key, keys_of(body))
                                               : fmt::format("{} is {}", f.key, shown(*value))};
  };
  switch (number_field(body, f.key).state) {
    case State::absent:
      return fail(f.missing);
    case State::null:
      return fail(f.null);
    case State::wrong_type:
      return fail(f.wrong_type);
    case State::non_finite:
      return fail(f.non_finite);
    case State::number:
      return std::nullopt;
  }
  return std::nullopt;
}

/// What the body admits that leaves figures within the gate without a meaning.
std::optional<ObservationOutcome> weakness(const Value& body) {
  const NumberField status = number_field(body, "exit_code");
  const bool failed =
      given(body, "exit_code") && !(status.state == State::number && status.value == 0);
  if (failed || given(body, "error")) return figures_beside_error;
  const Value* expected = body.find("expected");
  const std::string* verdict = expected == nullptr ? nullptr : text_field(*expected, "verdict");
  if (verdict != nullptr && *verdict == "refused") return expected_refused_itself;
  const Value* same = body.find("same_code");
  if (same != nullptr && same->as_bool() != nullptr && *same->as_bool()) return same_code;
  const std::string* impl = text_field(body, "attn_impl");
  if (given(body, "fallback") || (impl != nullptr && *impl != "flash2")) return flash2_did_not_run;
  const Value* regime = body.find("regime");
  const NumberField tiles = regime == nullptr ? NumberField{} : number_field(*regime, "key_tiles");
  if (tiles.state == State::number && tiles.value <= 1) return single_key_tile;
  return std::nullopt;
}

ObservationOutcome judge_figures(double difference, double cosine,
                                 const ObservationLimits& limits) {
  if (!(difference >= 0)) return negative_max_abs_diff;
  if (!(cosine >= -1 && cosine <= 1)) return cosine_sim_outside_range;
  if (!(difference <= limits.max_abs_diff)) return max_abs_diff_above_tolerance;
  if (!(cosine >= limits.min_cosine)) return cosine_sim_below_floor;
  return within_tolerance;
}

}  // namespace

ObservationFinding classify_parity(const Value& body, const ObservationLimits& limits) {
  constexpr auto kKind = ObservationKind::parity;
  if (!body.is_map()) return {kKind, "", not_an_object, shown(body)};
  for (const FieldOutcomes* field : {&kMaxAbsDiff, &kCosineSim}) {
    if (auto bad = unreadable(body, *field)) return *bad;
  }
  const double difference = number_field(body, "max_abs_diff").value;
  const double cosine = number_field(body, "cosine_sim").value;
  ObservationOutcome outcome = judge_figures(difference, cosine, limits);
  const ObservationLimits published;
  const bool as_published =
      limits.max_abs_diff == published.max_abs_diff && limits.min_cosine == published.min_cosine;
  if (outcome == within_tolerance) {
    outcome = weakness(body).value_or(as_published ? within_tolerance : within_given_limits);
  }
  return {kKind, "", outcome,
          fmt::format("max_abs_diff {:.9g} (at most {:g}), cosine_sim {:.9g} (at least {:g})",
                      difference, limits.max_abs_diff, cosine, limits.min_cosine)};
}

}  // namespace refute::instruments
