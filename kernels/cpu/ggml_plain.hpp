#pragma once

// One block of each plain format, scalar.

#include "kernels/cpu/ggml_blocks.hpp"

namespace refute::kernels::ggml_detail {

void quantize_q4_0(const float* x, std::uint8_t* y);
void quantize_q4_1(const float* x, std::uint8_t* y);
void quantize_q5_0(const float* x, std::uint8_t* y);
void quantize_q5_1(const float* x, std::uint8_t* y);
void quantize_q8_0(const float* x, std::uint8_t* y);
void quantize_mxfp4(const float* x, std::uint8_t* y);

/// `before` is the block before this one in the same call, null for the first. A group of zeros
/// keeps its codes, under a scale of zero: the ggml build that made the golden vectors leaves them
/// in its buffer (and leaves those of a first block undefined; here they are 0).
void quantize_iq4_nl(const float* x, std::uint8_t* y, const std::uint8_t* before);
void quantize_iq4_nl_blocks(const float* x, std::uint8_t* y, std::size_t blocks);
void store_iq4_nl_zeros(std::uint8_t* y, const std::uint8_t* before);
inline constexpr std::size_t kIq4NlBytes = ggml_info(GgmlFormat::iq4_nl).block_bytes;

void dequantize_q4_0(const std::uint8_t* y, float* x);
void dequantize_q4_1(const std::uint8_t* y, float* x);
void dequantize_q5_0(const std::uint8_t* y, float* x);
void dequantize_q5_1(const std::uint8_t* y, float* x);
void dequantize_q8_0(const std::uint8_t* y, float* x);
void dequantize_iq4_nl(const std::uint8_t* y, float* x);
void dequantize_mxfp4(const std::uint8_t* y, float* x);

}  // namespace refute::kernels::ggml_detail
