#pragma once

// How the K formats choose the scale of one sub-block of 16 or 32 values. All sums are f32 in the
// order of the values: the order is part of the result.

#include <array>
#include <cstddef>
#include <cstdint>

namespace refute::kernels::ggml_detail {

/// x ≈ scale·code − offset. The offset is never negative.
struct AffineFit {
  float scale, offset;
};

/// How an affine fit searches: the inverse scales tried are (levels + first + step·i) / range for
/// i = 0 … steps, each refined by weighted least squares; the one of least weighted error wins.
struct AffineSearch {
  int levels;  ///< largest code
  float first, step;
  int steps;
  bool absolute;  ///< error is |d|, otherwise d²
};

constexpr AffineSearch kQ2kSearch = {3, -0.5f, 0.1f, 15, true};
constexpr AffineSearch kQ4kSearch = {15, -1.0f, 0.1f, 20, false};
constexpr AffineSearch kQ5kSearch = {31, -0.5f, 0.1f, 15, false};

/// Fits `count` (16 or 32) values with these weights and writes their codes.
AffineFit fit_affine(const AffineSearch& search, const float* x, const float* weights,
                     std::size_t count, std::uint8_t* codes);

/// Fits 16 values, x ≈ scale·(code − 32), by trying 19 inverse scales around −32 / peak and keeping
/// the best least-squares fit, with weights x² (Q6_K).
float fit_q6(const float* x, std::uint8_t* codes);

/// Fits 16 values, x ≈ scale·(code − 4): starts from −4 / peak and improves single codes, up to
/// five rounds (Q3_K).
float fit_q3(const float* x, std::uint8_t* codes);

}  // namespace refute::kernels::ggml_detail
