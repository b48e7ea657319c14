#pragma once

// What tries to break the claims of contracts/trace-save-tensor-v1.yaml.

#include "harness/worker/context.hpp"

namespace refute::falsifiers {

// captures.cpp: the files that one run writes.
Verdict trace_option(worker::Context& context);
Verdict trace_repeats(worker::Context& context);
Verdict trace_header(worker::Context& context);
Verdict trace_several_stages(worker::Context& context);
Verdict trace_keeps_bits(worker::Context& context);
Verdict trace_layer_subset(worker::Context& context);
Verdict trace_logits(worker::Context& context);
Verdict trace_end_to_end(worker::Context& context);

// formats.cpp: what two stored forms of a model make of one stage.
Verdict trace_published_difference(worker::Context& context);
Verdict trace_injected_difference(worker::Context& context);

// meaning.cpp: what the numbers are, and whose.
Verdict trace_stages_follow(worker::Context& context);
Verdict trace_manifest(worker::Context& context);
Verdict trace_is_what_decodes(worker::Context& context);

// requests.cpp: what is refused, and the contract's own lint.
Verdict trace_refusals(worker::Context& context);
Verdict trace_contract_lints(worker::Context& context);

// diffs.cpp: `refute diff` of what was written.
Verdict diff_recognises(worker::Context& context);
Verdict diff_stage_numbers(worker::Context& context);
Verdict diff_comparable(worker::Context& context);
Verdict diff_damaged(worker::Context& context);
Verdict diff_liveness(worker::Context& context);

// bisections.cpp: which stage is wrong, in process.
Verdict bisect_names_fault(worker::Context& context);
Verdict bisect_spares_healthy(worker::Context& context);

}  // namespace refute::falsifiers
