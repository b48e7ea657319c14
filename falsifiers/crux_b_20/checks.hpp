#pragma once

// What tries to break the claims of contracts/crux-B-20-v1.yaml.

#include "harness/worker/context.hpp"

namespace refute::falsifiers {

// rows.cpp: what `refute diff` writes.
Verdict diff_order_and_schema(worker::Context& context);
Verdict diff_metrics(worker::Context& context);
Verdict diff_real_type(worker::Context& context);
Verdict diff_shards(worker::Context& context);
Verdict diff_threads(worker::Context& context);
Verdict diff_in_memory_agrees(worker::Context& context);

// gate.cpp: the threshold, and errors over bit widths.
Verdict diff_gate_published(worker::Context& context);
Verdict diff_gate(worker::Context& context);
Verdict diff_more_bits(worker::Context& context);

// findings.cpp: what other tools pass in silence.
Verdict diff_nan(worker::Context& context);
Verdict diff_missing(worker::Context& context);
Verdict diff_nothing_in_common(worker::Context& context);
Verdict diff_shape(worker::Context& context);
Verdict diff_zeros(worker::Context& context);
Verdict diff_scale(worker::Context& context);

// damage.cpp: files that something happened to.
Verdict diff_flipped_nibble(worker::Context& context);
Verdict diff_flipped_scale(worker::Context& context);
Verdict diff_truncation(worker::Context& context);

// overflow.cpp: finite weights that a format cannot hold.
Verdict quantize_overflow(worker::Context& context);

// golden.cpp: the quantisers against ggml's own results, in process.
Verdict ggml_golden(worker::Context& context);

}  // namespace refute::falsifiers
