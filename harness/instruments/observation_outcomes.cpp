// What every outcome means, and whether it is good news.

#include <array>

#include "harness/instruments/observation.hpp"

namespace refute::instruments {
namespace {

using enum ObservationOutcome;
using enum Standing;

constexpr std::size_t kCount = static_cast<std::size_t>(capable_but_refused) + 1;

#define ROW(name, standing, meaning) \
  OutcomeRow {                       \
    name, #name, standing, meaning   \
  }

constexpr std::array<OutcomeRow, kCount> kRows = {
    ROW(not_an_object, violated, "the body or section is no JSON object"),
    ROW(empty_section, violated, "there is a section, with nothing in it"),

    ROW(within_tolerance, holds, "both figures are within the published gate"),
    ROW(missing_max_abs_diff, violated, "max_abs_diff is not there"),
    ROW(missing_cosine_sim, violated, "cosine_sim is not there"),
    ROW(null_max_abs_diff, violated, "max_abs_diff is null, as NaN and infinity are written"),
    ROW(null_cosine_sim, violated, "cosine_sim is null, as NaN and infinity are written"),
    ROW(wrong_type_max_abs_diff, violated, "max_abs_diff is no number"),
    ROW(wrong_type_cosine_sim, violated, "cosine_sim is no number"),
    ROW(non_finite_max_abs_diff, violated, "max_abs_diff is NaN or infinite"),
    ROW(non_finite_cosine_sim, violated, "cosine_sim is NaN or infinite"),
    ROW(negative_max_abs_diff, violated, "a largest absolute difference cannot be negative"),
    ROW(cosine_sim_outside_range, violated, "a cosine is between -1 and 1"),
    ROW(max_abs_diff_above_tolerance, violated, "max_abs_diff is above the gate"),
    ROW(cosine_sim_below_floor, violated, "cosine_sim is below the gate"),
    ROW(figures_beside_error, violated,
        "the run reports an error or failed, so its figures are of nothing"),
    ROW(same_code, declined, "both sides are the same code, so that they agree says nothing"),
    ROW(flash2_did_not_run, declined, "the figures are of another kernel than flash2"),
    ROW(single_key_tile, declined, "one tile of keys proves nothing about an online softmax"),
    ROW(expected_refused_itself, violated,
        "the output given with the inputs is refused by the calibrated rule"),
    ROW(within_given_limits, holds, "both figures are within limits other than the published gate"),

    ROW(flash2_named, holds, "flash2 ran, and its kernel_source names it"),
    ROW(fallback_named, holds, "naive ran in place of flash2, and fallback says why"),
    ROW(missing_attn_impl, violated, "attn_impl is not there"),
    ROW(wrong_type_attn_impl, violated, "attn_impl is no text"),
    ROW(unknown_attn_impl, violated, "attn_impl is neither flash2 nor naive"),
    ROW(unnamed_attn_impl, violated, "attn_impl says that something else ran, and not what"),
    ROW(kernel_source_missing, violated, "flash2 ran, and there is no kernel_source"),
    ROW(wrong_type_kernel_source, violated, "kernel_source is no text"),
    ROW(kernel_source_malformed, violated,
        "kernel_source is not publisher:kernel@ and 40 lower-case hex digits"),
    ROW(kernel_source_placeholder, violated, "kernel_source repeats one digit 40 times"),
    ROW(kernel_source_foreign, violated, "kernel_source is another publisher's"),
    ROW(fallback_missing, violated, "naive ran, and there is no fallback"),
    ROW(wrong_type_fallback, violated, "fallback is no text"),
    ROW(fallback_unknown, violated, "fallback is not one of no-gpu, abi, arch"),
    ROW(provenance_and_fallback, violated,
        "a kernel_source and a fallback exclude each other: flash2 ran or it did not"),
    ROW(naive_as_requested, declined, "naive was asked for and ran: nothing is said of flash2"),
    ROW(kernel_contradicted, violated, "kernel and attn_impl name two kernels"),
    ROW(request_contradicted, violated,
        "what ran is not what was asked for, and no fallback says so"),
    ROW(flash2_head_dim, violated,
        "flash2 takes head_dim 64 and 128, so it did not run on this one"),
    ROW(failed_run, violated, "the run failed, so nothing is said of what ran"),
    ROW(kernel_source_other, violated, "kernel_source names another kernel than attn_impl"),
    ROW(fallback_reason_missing, violated, "there is a fallback, and its reason is empty"),

    ROW(unsupported_head_dim, holds, "the error gives the reason unsupported-head-dim"),
    ROW(missing_error, violated, "error is not there"),
    ROW(wrong_type_error, violated, "error is no text"),
    ROW(empty_error, violated, "error says nothing"),
    ROW(head_dim_without_reason, violated,
        "the error mentions the head dimension without the reason unsupported-head-dim"),
    ROW(error_about_something_else, violated, "the error is about something else"),
    ROW(wrong_exit_code, violated, "a refused head_dim exits 1"),
    ROW(result_beside_error, violated, "a refused head_dim has no result: something ran"),
    ROW(supported_head_dim_refused, violated, "64 and 128 are supported"),
    ROW(head_dim_malformed, violated, "head_dim is no whole number above zero"),

    ROW(within_band, holds, "the relative error is what the format makes of it"),
    ROW(above_band, violated, "the relative error is above what is allowed"),
    ROW(below_band, declined,
        "too good for the format: quantised already, compared with itself, or ruled by an outlier"),
    ROW(missing_relative_error, violated, "there is neither a relative error nor two tensors"),
    ROW(null_relative_error, violated, "the error is null, as NaN and infinity are written"),
    ROW(wrong_type_relative_error, violated, "the relative error is no number"),
    ROW(non_finite_relative_error, violated, "the relative error is NaN or infinite"),
    ROW(negative_relative_error, violated, "a relative error cannot be negative"),
    ROW(missing_tensor, violated, "one tensor of the two is not there"),
    ROW(wrong_type_tensor, violated, "a tensor is no list of numbers"),
    ROW(length_mismatch, violated, "the tensors are not equally long"),
    ROW(empty_tensor, violated, "a tensor has no elements"),
    ROW(zero_norm, violated, "the original is all zeros, so there is no relative error"),
    ROW(non_finite_element, violated, "an element is NaN, infinite or null"),
    ROW(stated_error_differs, violated, "the stated error is not that of the tensors beside it"),

    ROW(capable, holds, "from sm_90 on the gate lets through"),
    ROW(incapable_explained, holds, "below sm_90 the gate refuses with exit code 2 and says why"),
    ROW(not_measured, declined, "sm 0 means that no device was measured"),
    ROW(missing_sm, violated, "sm is not there"),
    ROW(wrong_type_sm, violated, "sm is no whole number"),
    ROW(sm_out_of_range, violated, "there is no such compute capability"),
    ROW(refusal_missing, violated, "below sm_90, and nothing says that it was refused"),
    ROW(refusal_unexplained, violated, "the message names neither hopper, sm_90 nor capability"),
    ROW(refusal_wrong_exit_code, violated, "the gate refuses with exit code 2"),
    ROW(capable_but_refused, violated, "refused although from sm_90 on it is capable"),
};

#undef ROW

constexpr bool in_order() {
  for (std::size_t i = 0; i < kCount; ++i) {
    if (static_cast<std::size_t>(kRows[i].outcome) != i) return false;
  }
  return true;
}
static_assert(in_order(), "a row per outcome, in the order of the enum");

}  // namespace

std::span<const OutcomeRow> observation_outcomes() {
  return kRows;
}

const OutcomeRow& row_of(ObservationOutcome outcome) {
  return kRows[static_cast<std::size_t>(outcome)];
}

}  // namespace refute::instruments
