#pragma once

// Where the elements of a warp's matrix instructions lie: PTX ISA 8.0, "Matrix Fragments for
// mma.m16n8k16" and "ldmatrix". Lanes are counted 0 … 31, registers as the instruction lists them.

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/hd.hpp"

namespace refute::kernels::cuda {

/// An element's place in a tile.
struct Place {
  unsigned row = 0, col = 0;
};

/// Element i (0 … 3) of a lane's accumulator of a 16 x 8 tile.
REFUTE_HD inline Place accumulator_place(unsigned lane, unsigned i) {
  return {lane / 4 + (i >= 2 ? 8u : 0u), lane % 4 * 2 + (i & 1u)};
}

/// Shared memory holds rows of kDim 16-bit elements, in chunks of eight (16 bytes). A chunk is
/// stored at its number with the row's low three bits exclusive-or'ed in: eight rows at the same
/// column, which is what ldmatrix reads at once, then lie in different banks.
template <unsigned kDim>
struct SwizzledTile {
  static_assert(kDim % 64 == 0);
  static constexpr unsigned kChunks = kDim / 8;

  /// Element offset of the chunk that holds column 8 · chunk of a row.
  REFUTE_HD static unsigned chunk_at(unsigned row, unsigned chunk) {
    return row * kDim + (chunk ^ (row & 7u)) * 8;
  }
  REFUTE_HD static unsigned at(unsigned row, unsigned col) {
    return chunk_at(row, col / 8) + col % 8;
  }
};

/// ldmatrix.x4 reads four 8 x 8 matrices; lane l gives the address of row l % 8 of matrix l / 8,
/// and receives in register i the elements (lane / 4, 2 · (lane % 4) + {0, 1}) of matrix i, or of
/// its transpose. These say which row and chunk of a tile a lane points to.

/// A 16 x 16 piece of rows [row, row + 16) and columns [col, col + 16) as operand A: matrices in
/// the order (upper, left), (lower, left), (upper, right), (lower, right).
REFUTE_HD inline Place operand_a_source(unsigned lane, unsigned row, unsigned col) {
  return {row + lane % 16, col + lane / 16 * 8};
}

/// Keys as operand B, not transposed: two 8-key tiles, 16 columns of each. Registers 0, 1 are the
/// first tile's, 2, 3 the second's.
REFUTE_HD inline Place keys_source(unsigned lane, unsigned key, unsigned col) {
  return {key + lane / 16 * 8 + lane % 8, col + lane / 8 % 2 * 8};
}

/// Values as operand B, transposed on the way: 16 keys, two 8-column tiles. Registers 0, 1 are the
/// first tile's, 2, 3 the second's.
REFUTE_HD inline Place values_source(unsigned lane, unsigned key, unsigned col) {
  return {key + lane % 16, col + lane / 16 * 8};
}

}  // namespace refute::kernels::cuda
