#pragma once

// FP8 on the device: the functions of kernels/fp8.hpp under the same names, with the same bits.
// Spans may lie in host memory, which is copied there and back with guard bands around it, or in
// device memory, which is used in place; calls return when the device has finished.
//
// A quantisation reads the values once for the absmax and the check that all are finite, and once
// to write the codes; nothing in between goes through memory.

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/cuda/status.hpp"
#include "kernels/fp8.hpp"

namespace refute::kernels::cuda {

CudaStatus fp8_encode(std::span<const float> in, std::span<std::uint8_t> out, Fp8Mode mode);
CudaStatus fp8_encode_f16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                          Fp8Mode mode);
CudaStatus fp8_encode_bf16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                           Fp8Mode mode);
/// The codes of the f32 bit patterns first, first + 1, …, counted on the device.
CudaStatus fp8_encode_range(std::uint32_t first, std::span<std::uint8_t> out, Fp8Mode mode);

CudaStatus fp8_decode(std::span<const std::uint8_t> in, std::span<float> out, Fp8Format format);

CudaAnswer<Fp8QuantizeResult> fp8_quantize(std::span<const float> w, Fp8Layout layout, Fp8Mode mode,
                                           std::span<std::uint8_t> codes, std::span<float> scales);
CudaAnswer<Fp8QuantizeResult> fp8_dequantize(std::span<const std::uint8_t> codes,
                                             std::span<const float> scales, Fp8Layout layout,
                                             Fp8Format format, std::span<float> out);

/// Compares codes of the patterns first, first + 1, … with what the conversion instruction gives
/// (cvt.rn.satfinite.{e4m3,e5m2}x2.f32, from sm_89 on; wrong_architecture below). The instruction
/// drops the sign of a NaN, so those are compared by class. The least pattern that differs, or
/// nothing; `negated`, the least that agrees.
CudaAnswer<std::optional<std::uint32_t>> fp8_differs_from_instruction(
    std::uint32_t first, std::span<const std::uint8_t> codes, Fp8Format format, bool negated);

}  // namespace refute::kernels::cuda
