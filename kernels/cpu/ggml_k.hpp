#pragma once

// One super-block of each K format, scalar, in two halves: the fit of the sub-blocks, which takes
// nearly all of the time and has a vector form, and what becomes of the fits.

#include "kernels/cpu/ggml_blocks.hpp"

namespace refute::kernels::ggml_detail {

/// What the fits of a super-block's sub-blocks found: 16 of 16 values, or 8 of 32.
struct KFits {
  std::array<float, 16> scale, offset;
  std::array<std::uint8_t, kSuper> codes;
};

KFits fit_q2_k(const float* x);
KFits fit_q3_k(const float* x);
KFits fit_q4_k(const float* x);
KFits fit_q5_k(const float* x);
KFits fit_q6_k(const float* x);

/// Gives `count` (16 or 32) values the codes nearest to (x + offset)/scale + zero, from 0 to top;
/// for a scale of zero the codes stay as the fit left them.
using ChooseCodes = void (*)(const float* x, std::size_t count, float scale, float offset, int zero,
                             int top, std::uint8_t* codes);
void choose_codes(const float* x, std::size_t count, float scale, float offset, int zero, int top,
                  std::uint8_t* codes);

/// Quantises the scales themselves, chooses the codes again for the scales as stored, and packs.
void finish_q2_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y);
void finish_q3_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y);
void finish_q4_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y);
void finish_q5_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y);
void finish_q6_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y);

void dequantize_q2_k(const std::uint8_t* y, float* x);
void dequantize_q3_k(const std::uint8_t* y, float* x);
void dequantize_q4_k(const std::uint8_t* y, float* x);
void dequantize_q5_k(const std::uint8_t* y, float* x);
void dequantize_q6_k(const std::uint8_t* y, float* x);

}  // namespace refute::kernels::ggml_detail
