#pragma once

// What CRUX-B-20's contract may say; the bounds on sizes keep a job within memory and time.

#include "harness/worker/domains.hpp"
#include "harness/worker/parameter_rule.hpp"

namespace refute::falsifiers {

inline constexpr worker::Words kDiffFormats = {
    "f16",  "bf16", "q4_0", "q4_1",   "q5_0",  "q5_1",     "q8_0",     "q2_k", "q3_k",
    "q4_k", "q5_k", "q6_k", "iq4_nl", "mxfp4", "fp8-e4m3", "fp8-e5m2", "nf4"};

inline constexpr worker::ParameterRule kDiffParameters[] = {
    worker::count_up_to("broken_every", 1000),
    worker::count_up_to("cases", 100'000),
    worker::words_of("containers", {"fp8-e4m3=F8_E4M3", "fp8-e5m2=F8_E5M2", "nf4=NF4"}),
    worker::count_up_to("cuts", 10000),
    worker::words_of("dtypes", {"F32", "F16", "BF16"}),
    worker::count_up_to("exit_status", 255),
    worker::real_within("factor", 0, 1e30),
    {"factors", worker::ParameterKind::reals, 0, 1000},
    worker::words_of("families", worker::Words::of(worker::kFamilies)),
    worker::words_of("formats", kDiffFormats),
    worker::real_within("green_from", -1, 1),
    worker::words_of("ladder", kDiffFormats),
    worker::real_within("least_ratio", 0, 1000),
    worker::real_within("max_rmse_difference", 0, 1),
    worker::real_within("norm_tolerance", 0, 1),
    worker::real_within("relative_tolerance", 0, 1),
    worker::words_of("sets", {"plain", "hard"}),
    worker::words_of("specials", {"nan", "inf", "-inf"}),
    worker::counts_up_to("threads", 1024),
    worker::real_within("threshold", -1, 1),
    worker::real_within("yellow_from", -1, 1),
};

}  // namespace refute::falsifiers
