#pragma once

// What CRUX-L-02's contract may say; the bounds on sizes keep a job within memory and time.

#include "falsifiers/crux_l_02/attention_case.hpp"
#include "harness/worker/parameter_rule.hpp"

namespace refute::falsifiers {

inline constexpr worker::ParameterRule kAttentionParameters[] = {
    worker::counts_up_to("amplitudes", 1000),
    worker::counts_up_to("cols", 1 << 16),
    worker::words_of("contents", {"redrawn", "nan", "infinity", "largest"}),
    worker::words_of("dtypes", {"f32", "f16", "bf16"}),
    worker::real_within("exp_ulps", 0, 1000),
    worker::count_up_to("factor", 1 << 20),
    worker::words_of("families", worker::Words::of(kAttentionFamilies)),
    {"growth", worker::ParameterKind::word, 0, 0, {"random_walk", "worst_case"}},
    worker::count_up_to("highest_head_dim", 1024),
    worker::words_of("kernels", {"naive", "flash2"}),
    worker::real_within("lambda", 0, 1000),
    worker::real_within("max_abs_diff", 0, 1),
    worker::real_within("min_cosine", -1, 1),
    worker::words_of("probabilities", {"keep_f32", "round_to_storage"}),
    worker::count_up_to("reruns", 1000),
    worker::real_within("row_floor_factor", 0, 1000),
    worker::real_within("row_max_factor", 0, 1000),
    worker::real_within("row_rms_factor", 0, 1000),
    worker::real_within("row_share", 0, 1),
    worker::count_up_to("rows", 1 << 16),
    worker::count_up_to("seeds", 1000),
    {"shapes",
     worker::ParameterKind::words,
     0,
     0,
     {},
     "B[1-9][0-9]{0,4} H[1-9][0-9]{0,4}/[1-9][0-9]{0,4} S[1-9][0-9]{0,5}x[1-9][0-9]{0,5} "
     "D[1-9][0-9]{0,4}( causal)?( scale 1/[1-9][0-9]{0,4})?",
     "B1 H4/2 S65x129 D64 causal"},
    worker::count_up_to("shift", 1 << 20),
    worker::real_within("sign_deviations", 0, 1000),
    worker::real_within("sign_drift", 0, 1),
    worker::count_up_to("sign_least", 1 << 20),
    worker::real_within("sign_ruled", 0, 1),
    worker::counts_up_to("threads", 1024),
    {"wrong_kernels", worker::ParameterKind::words},
    // The frozen lists of the power claim: its falsifier compares them with what is compiled in.
    worker::count_up_to("first_seed", 1'000'000),
    worker::words_of("ops", {"softmax", "gemm", "attention"}),
    {"correct_attention", worker::ParameterKind::words},
    {"correct_gemm", worker::ParameterKind::words},
    {"correct_softmax", worker::ParameterKind::words},
    {"excluded_attention", worker::ParameterKind::words},
    {"excluded_gemm", worker::ParameterKind::words},
    {"excluded_softmax", worker::ParameterKind::words},
    {"shapes_attention", worker::ParameterKind::words},
    {"shapes_gemm", worker::ParameterKind::words},
    {"shapes_softmax", worker::ParameterKind::words},
    {"wrong_attention", worker::ParameterKind::words},
    {"wrong_gemm", worker::ParameterKind::words},
    {"wrong_softmax", worker::ParameterKind::words},
};

}  // namespace refute::falsifiers
