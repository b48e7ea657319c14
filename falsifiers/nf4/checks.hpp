#pragma once

// What tries to break the claims of contracts/nf4-v1.yaml, by what is compared.

#include "harness/worker/context.hpp"

namespace refute::falsifiers {

/// The published limit on the normalised error of a round trip of N(0, 1), and the three bands that
/// amend it.
Verdict nf4_error_limit(worker::Context& context);
Verdict nf4_error_bands(worker::Context& context);

/// All 16 codes dequantised, bit for bit, at every power of two and at drawn scales.
Verdict nf4_table_exact(worker::Context& context);
/// Every f32 in [-1, 1] decided, by thresholds and by distance; and every one from a least
/// magnitude on, with every n-th below it, for kernels that are too slow for all.
Verdict nf4_decisions_all(worker::Context& context);
Verdict nf4_decisions_from(worker::Context& context);
/// The values where codes change, with their neighbours, at every position of blocks of many
/// scales.
Verdict nf4_boundaries(worker::Context& context);
/// Codes, scales and values of generated tensors, bit for bit, edge blocks among them.
Verdict nf4_quantize_exact(worker::Context& context);
/// Tensors with NaN or infinity are refused.
Verdict nf4_refuses_non_finite(worker::Context& context);

/// Which shapes are refused, how many bytes the others take, and along which axis blocks run.
Verdict nf4_alignment(worker::Context& context);
/// Bytes of weights in f32 over bytes packed.
Verdict nf4_compression(worker::Context& context);
/// Packed bytes in both nibble orders, and the way back.
Verdict nf4_packing(worker::Context& context);

/// The GEMM against the plain f32 one, against f64 under a derived bound, and on small integers
/// exactly.
Verdict nf4_gemm_parity(worker::Context& context);
Verdict nf4_gemm_bound(worker::Context& context);
Verdict nf4_gemm_integers(worker::Context& context);

}  // namespace refute::falsifiers
