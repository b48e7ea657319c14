#pragma once

// What tries to break the claims of contracts/crux-B-11-v1.yaml, by what is compared.

#include "harness/worker/context.hpp"

namespace refute::falsifiers {

/// All 256 codes decoded, bit for bit against the exact oracle.
Verdict fp8_decode_all(worker::Context& context);
/// Every f16 or bf16 value encoded, byte for byte, in every mode that the contract lists.
Verdict fp8_encode_f16_all(worker::Context& context);
Verdict fp8_encode_bf16_all(worker::Context& context);
/// All 2^32 f32 values encoded, byte for byte against the oracle's runs.
Verdict fp8_encode_f32_all(worker::Context& context);

/// Calls of every length, beginning at every offset, byte for byte: values drawn, so that no two
/// calls have the same ones at the same places.
Verdict fp8_encode_any_length(worker::Context& context);
Verdict fp8_encode_f16_any_length(worker::Context& context);
Verdict fp8_encode_bf16_any_length(worker::Context& context);
Verdict fp8_decode_any_length(worker::Context& context);

/// All 2^32 f32 values encoded, saturating and with ties to even, against the conversion
/// instruction of the device that this runs on. Declined where there is none.
Verdict fp8_encode_as_instruction(worker::Context& context);

/// Codes, scales and dequantised values of generated tensors, bit for bit, per tensor, channel and
/// block.
Verdict fp8_quantize_exact(worker::Context& context);
/// Every dequantised element within half a step of its code, times the scale.
Verdict fp8_element_bound(worker::Context& context);
/// Tensors with NaN or infinity are refused: the first bad index is named, nothing is written.
Verdict fp8_refuses_non_finite(worker::Context& context);

/// The relative Frobenius error of a round trip, pooled and per row, inside a two-sided band: on
/// generated distributions, and on a real model's weights.
Verdict fp8_band_generated(worker::Context& context);
Verdict fp8_band_fixture(worker::Context& context);
/// The published one-sided limit on the same weights.
Verdict fp8_limit_fixture(worker::Context& context);

/// The gate and the classifier of compute capabilities, for every number a device could report; the
/// gate also as `refute quantize` applies it.
Verdict fp8_gate_all(worker::Context& context);
Verdict fp8_capability_all(worker::Context& context);

}  // namespace refute::falsifiers
