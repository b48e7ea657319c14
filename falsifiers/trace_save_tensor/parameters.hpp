#pragma once

// What APR-TRACE-SAVE's contract may say; the bounds on sizes keep a job within memory and time.

#include "harness/worker/parameter_rule.hpp"

namespace refute::falsifiers {

inline constexpr std::string_view kPathPattern =
    "(reference|reference-dequant|fast)(\\+(naive|flash2))?(\\+(f32|bf16))?";

inline constexpr worker::ParameterRule kTraceParameters[] = {
    worker::count_up_to("cases", 10000),
    worker::words_of("families", {"llama", "qwen2", "qwen3"}),
    worker::real_within("fast_tolerance", 0, 1),
    {"faults",
     worker::ParameterKind::words,
     0,
     0,
     {},
     "[a-z0-9_]+:( [a-z_]+(=[a-z_]+)?)+",
     "scale: attn_out ffn_gate"},
    worker::words_of("formats", {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k",
                                 "q5_k", "q6_k", "iq4_nl", "mxfp4", "fp8-e4m3", "fp8-e5m2", "nf4"}),
    worker::real_within("healthy_most", 0, 1),
    worker::count_up_to("layer", 1000),
    worker::real_within("least_difference", 0, 1),
    {"lists",
     worker::ParameterKind::words,
     0,
     0,
     {},
     "[A-Za-z_]+(\\+[A-Za-z_]+)*",
     "attn_norm+ffn_gate"},
    {"paths", worker::ParameterKind::words, 0, 0, {}, kPathPattern, "fast+flash2"},
    worker::real_within("reference_tolerance", 0, 1),
    worker::real_within("relative_tolerance", 0, 1),
    {"runs",
     worker::ParameterKind::words,
     0,
     0,
     {},
     "(llama|qwen2|qwen3) on [a-z0-9+-]+",
     "llama on fast+flash2"},
    worker::counts_up_to("sizes", 1 << 24),
    worker::counts_up_to("tokens", 1 << 20),
    worker::count_up_to("vector_vocab", 1 << 20),
};

}  // namespace refute::falsifiers
