#pragma once

// What CRUX-B-11's contract may say. The bounds on sizes keep a slip of the pen from asking for
// more memory or time than any machine has.

#include "harness/worker/domains.hpp"
#include "harness/worker/parameter_rule.hpp"

namespace refute::falsifiers {

inline constexpr worker::ParameterRule kFp8Parameters[] = {
    {"band", worker::ParameterKind::band, 0, 1},
    worker::count_up_to("block", 1 << 16),
    worker::count_up_to("capable_from", 10000),
    worker::count_up_to("cases", 10'000'000),
    worker::count_up_to("cols", 1 << 20),
    worker::counts_up_to("command_sms", 10000),
    worker::words_of("distributions", worker::Words::of(worker::kFamilies)),
    worker::words_of("families", worker::Words::of(worker::kFamilies)),
    worker::words_of("formats", {"e4m3", "e5m2"}),
    worker::words_of("granularities", {"tensor", "channel", "block"}),
    worker::count_up_to("highest_sm", 10000),
    worker::counts_up_to("long_calls", 1 << 20),
    worker::count_up_to("longest", 1 << 12),
    worker::count_up_to("max_cols", 1 << 20),
    worker::real_within("max_relative_error", 0, 1),
    worker::count_up_to("max_rows", 1 << 16),
    worker::count_up_to("native_gemm_from", 10000),
    worker::count_up_to("offsets", 64),
    worker::words_of("overflow", {"satfinite", "nonsat"}),
    {"refusal_names", worker::ParameterKind::words},
    worker::count_up_to("refusal_status", 255),
    worker::real_within("relative_slack", 0, 1),
    {"rounding", worker::ParameterKind::word, 0, 0, {"ties_even", "ties_lower"}},
    worker::words_of("row_distributions", worker::Words::of(worker::kFamilies)),
    worker::count_up_to("rows", 1 << 16),
    worker::count_up_to("weight_only_from", 10000),
};

}  // namespace refute::falsifiers
