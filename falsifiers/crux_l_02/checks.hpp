#pragma once

// What tries to break the claims of contracts/crux-L-02-v1.yaml, by what is compared.

#include "harness/worker/context.hpp"

namespace refute::falsifiers {

/// The command `refute parity`, run: its option, what it says of the kernel that ran, the head_dims
/// that it refuses, and a GPU that is not there.
Verdict parity_option(worker::Context& context);
Verdict parity_provenance(worker::Context& context);
Verdict parity_head_dim(worker::Context& context);
Verdict parity_without_gpu(worker::Context& context);

/// Against the f64 oracle, under the calibrated rule.
Verdict attention_parity(worker::Context& context);
/// The same where sums may grow as the contract's `growth` says: matrix units truncate.
Verdict attention_parity_truncating(worker::Context& context);
/// The softmax of rows in the same way.
Verdict softmax_parity(worker::Context& context);

/// The published gate on the difference from naive, and its two failures: it turns healthy kernels
/// away, and lets wrong ones through.
Verdict attention_published_gate(worker::Context& context);
Verdict gate_takes_healthy(worker::Context& context);
Verdict gate_stops_wrong(worker::Context& context);

/// The calibrated rule on trial: right about every wrong and every correct kernel on a frozen list.
Verdict acceptance_power(worker::Context& context);

/// Bits that must not change: by keys that a row does not see, with other heads or another batch
/// around it, in another row, decoded alone, and with shared keys written out.
Verdict attention_future(worker::Context& context);
Verdict attention_heads(worker::Context& context);
Verdict attention_batch(worker::Context& context);
Verdict attention_position(worker::Context& context);
Verdict attention_decode(worker::Context& context);
Verdict attention_shared_keys(worker::Context& context);

/// Relations: values of one give one, scores may be shifted, values scaled, calls repeated.
Verdict attention_sum_to_one(worker::Context& context);
Verdict attention_sum_to_one_truncating(worker::Context& context);
Verdict attention_shift(worker::Context& context);
Verdict attention_values_scale(worker::Context& context);
Verdict attention_determinism(worker::Context& context);
Verdict attention_threads(worker::Context& context);

/// One key selected per query, every pair of them, bit for bit.
Verdict attention_selection(worker::Context& context);
/// NaN and infinity reach the rows that see them, and no other.
Verdict attention_non_finite(worker::Context& context);
/// Calls that cannot be served are refused with a reason that holds.
Verdict attention_refusals(worker::Context& context);

}  // namespace refute::falsifiers
