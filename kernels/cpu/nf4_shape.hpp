#pragma once

// Whether spans fit an NF4 shape, and where a block lies in the packed form. No numbers are made
// here.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "kernels/nf4.hpp"

namespace refute::kernels {

/// Whether a·b fits a size_t and equals `size`.
constexpr bool nf4_is_product(std::size_t size, std::size_t a, std::size_t b) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / b) return false;
  return size == a * b;
}

/// Blocks lie along the columns: a matrix whose element count divides by 64 can still be
/// misaligned.
constexpr Nf4Status nf4_check_blocks(std::size_t rows, std::size_t cols, std::size_t values,
                                     std::size_t codes, std::size_t absmax) {
  if (cols % kNf4Block != 0) return Nf4Status::misaligned;
  const bool fits =
      nf4_is_product(values, rows, cols) && codes == values && absmax == values / kNf4Block;
  return fits ? Nf4Status::ok : Nf4Status::size_mismatch;
}

constexpr Nf4Status nf4_check_packed(std::size_t rows, std::size_t cols, std::size_t packed) {
  if (cols % kNf4Block != 0) return Nf4Status::misaligned;
  const bool fits = nf4_is_product(packed, rows, cols / kNf4Block * kNf4BlockBytes);
  return fits ? Nf4Status::ok : Nf4Status::size_mismatch;
}

constexpr Nf4Status nf4_check_gemm(std::span<const float> a, std::span<const std::uint8_t> packed,
                                   std::size_t m, std::size_t n, std::size_t k,
                                   std::span<float> c) {
  if (const Nf4Status status = nf4_check_packed(n, k, packed.size()); status != Nf4Status::ok)
    return status;
  const bool fits = nf4_is_product(a.size(), m, k) && nf4_is_product(c.size(), m, n);
  return fits ? Nf4Status::ok : Nf4Status::size_mismatch;
}

inline void nf4_store_scale(float absmax, std::uint8_t* block) {
  const auto bits = std::bit_cast<std::uint32_t>(absmax);
  for (int i = 0; i < 4; ++i) block[i] = static_cast<std::uint8_t>(bits >> (8 * i));
}

inline float nf4_load_scale(const std::uint8_t* block) {
  std::uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) bits |= static_cast<std::uint32_t>(block[i]) << (8 * i);
  return std::bit_cast<float>(bits);
}

}  // namespace refute::kernels
