#pragma once

// What the vector bodies of attention work on: one block of query rows of one head, everything
// already in f32 and laid out for them.

#include <cstddef>
#include <cstdint>

#include "kernels/attention.hpp"

namespace refute::kernels {

inline constexpr std::size_t kAttentionTile = 64;   ///< keys per tile (B_c)
inline constexpr std::size_t kAttentionRows = 192;  ///< query rows per block (B_r): 16 groups of 12
inline constexpr std::size_t kAttentionGroup = 12;  ///< rows that one pass over a tile serves
inline constexpr std::size_t kAttentionLanes = 16;  ///< virtual lanes that a denominator sums over

/// What the probabilities are rounded to before they meet V.
enum class ProbabilityRounding : std::uint8_t { none, f16, bf16 };

struct AttentionBlock {
  const AttentionCall* call;
  std::size_t first_row;  ///< of the block within its head
  std::size_t rows;       ///< at most kAttentionRows
  std::size_t width;      ///< head_dim rounded up to a multiple of kAttentionLanes
  const float* q;         ///< [rows, head_dim]
  const float* keys;      ///< tiles of [head_dim, kAttentionTile]: transposed, zero beyond seq_kv
  const float* values;    ///< [seq_kv, width]
  float* out;             ///< [rows, width]; starts as zeros
  ProbabilityRounding rounding;
};

}  // namespace refute::kernels
