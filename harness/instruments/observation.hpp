#pragma once

// Classifiers for what a command printed and somebody kept: a captured JSON body, which may come
// from anywhere. A body can only lose by what it says of itself: limits stand here or come from the
// caller, never from the body, and a field that admits a weakness (the same code on both sides, a
// fallback) demotes it.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/exit_code.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"

namespace refute::instruments {

enum class ObservationKind : std::uint8_t {
  parity,          ///< CRUX-L-02-002: max_abs_diff, cosine_sim
  provenance,      ///< CRUX-L-02-003 and -005: attn_impl, kernel_source, fallback
  head_dim_error,  ///< CRUX-L-02-004: error
  frobenius,       ///< CRUX-B-11-001: relative_frobenius_error, or original and reconstructed
  capability,      ///< CRUX-B-11-002: sm
};
inline constexpr std::array<std::string_view, 5> kObservationKindNames = {
    "parity", "provenance", "head_dim_error", "frobenius", "capability"};
constexpr std::string_view to_string(ObservationKind k) {
  return kObservationKindNames[static_cast<std::size_t>(k)];
}

enum class Standing : std::uint8_t {
  holds,
  violated,
  declined,  ///< nothing can be told from it, which is never a pass
};
inline constexpr std::array<std::string_view, 3> kStandingNames = {"holds", "violated", "declined"};
constexpr std::string_view to_string(Standing s) {
  return kStandingNames[static_cast<std::size_t>(s)];
}

/// Every way in which a classifier can end; observation_outcomes() says what each means.
enum class ObservationOutcome : std::uint8_t {
  not_an_object,
  empty_section,
  // parity
  within_tolerance,
  missing_max_abs_diff,
  missing_cosine_sim,
  null_max_abs_diff,
  null_cosine_sim,
  wrong_type_max_abs_diff,
  wrong_type_cosine_sim,
  non_finite_max_abs_diff,
  non_finite_cosine_sim,
  negative_max_abs_diff,
  cosine_sim_outside_range,
  max_abs_diff_above_tolerance,
  cosine_sim_below_floor,
  figures_beside_error,
  same_code,
  flash2_did_not_run,
  single_key_tile,
  expected_refused_itself,
  within_given_limits,
  // provenance
  flash2_named,
  fallback_named,
  missing_attn_impl,
  wrong_type_attn_impl,
  unknown_attn_impl,
  unnamed_attn_impl,
  kernel_source_missing,
  wrong_type_kernel_source,
  kernel_source_malformed,
  kernel_source_placeholder,
  kernel_source_foreign,
  fallback_missing,
  wrong_type_fallback,
  fallback_unknown,
  provenance_and_fallback,
  naive_as_requested,
  kernel_contradicted,
  request_contradicted,
  flash2_head_dim,
  failed_run,
  kernel_source_other,
  fallback_reason_missing,
  // head_dim_error
  unsupported_head_dim,
  missing_error,
  wrong_type_error,
  empty_error,
  head_dim_without_reason,
  error_about_something_else,
  wrong_exit_code,
  result_beside_error,
  supported_head_dim_refused,
  head_dim_malformed,
  // frobenius
  within_band,
  above_band,
  below_band,
  missing_relative_error,
  null_relative_error,
  wrong_type_relative_error,
  non_finite_relative_error,
  negative_relative_error,
  missing_tensor,
  wrong_type_tensor,
  length_mismatch,
  empty_tensor,
  zero_norm,
  non_finite_element,
  stated_error_differs,
  // capability
  capable,
  incapable_explained,
  not_measured,
  missing_sm,
  wrong_type_sm,
  sm_out_of_range,
  refusal_missing,
  refusal_unexplained,
  refusal_wrong_exit_code,
  capable_but_refused,
};

struct OutcomeRow {
  ObservationOutcome outcome;
  std::string_view name;
  Standing standing;
  std::string_view meaning;
};
/// In the order of the enum.
std::span<const OutcomeRow> observation_outcomes();
const OutcomeRow& row_of(ObservationOutcome outcome);

/// What a body is held to.
struct ObservationLimits {
  double max_abs_diff = 5e-3;  ///< published with CRUX-L-02-002
  double min_cosine = 0.9999;  ///< the same
  /// Relative Frobenius error of an absmax E4M3 round trip, derived: an error that is uniform
  /// inside a binade is between half of 2^-3/√12 and all of it. Below, the data was quantised
  /// already or compared with itself.
  double min_relative_error = 0.018042195912175805, max_relative_error = 0.03608439182435161;
  std::string publisher;  ///< whose kernel_source it has to be; empty: anybody's
};

struct ObservationFinding {
  ObservationKind kind;
  std::string at;  ///< JSON pointer of the section; empty for the whole body
  ObservationOutcome outcome;
  std::string detail;  ///< with the figures; printable whatever the body holds

  Standing standing() const { return row_of(outcome).standing; }
};

// Each on a body or a section of it.
ObservationFinding classify_parity(const Value& body, const ObservationLimits& limits);
ObservationFinding classify_provenance(const Value& body, const ObservationLimits& limits);
ObservationFinding classify_head_dim_error(const Value& body, const ObservationLimits& limits);
ObservationFinding classify_frobenius(const Value& body, const ObservationLimits& limits);
ObservationFinding classify_capability(const Value& body, const ObservationLimits& limits);

/// What the body looks like, by its keys: its own (max_abs_diff: parity) and sections that are
/// named after a kind.
std::vector<ObservationKind> recognise(const Value& body);

/// A finding per kind that is wanted, or that is recognised where none is; an error where there is
/// none of either.
Result<std::vector<ObservationFinding>> lint_observation(const Value& body,
                                                         std::span<const ObservationKind> wanted,
                                                         const ObservationLimits& limits);

/// findings where anything is violated, else incomplete where anything is declined, else ok: in the
/// order of precedence, all that apply.
std::vector<ExitCode> exit_codes(std::span<const ObservationFinding> findings);

std::string render_observation(std::string_view name, std::span<const ObservationFinding> findings);
Value observation_value(std::string_view name, std::span<const ObservationFinding> findings,
                        const ObservationLimits& limits);

}  // namespace refute::instruments
