#pragma once

// Which thread of nf4_gemm loads, decodes and computes what. A block makes a tile of kTileM x
// kTileN of C, one NF4 block (64 values) of K at a time.

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/hd.hpp"
#include "kernels/nf4.hpp"

namespace refute::kernels::cuda {

struct Nf4Tile {
  static constexpr unsigned kTileM = 32, kTileN = 64, kTileK = kNf4Block, kThreads = 256;
  static constexpr unsigned kWords = kTileK / 8;  ///< of codes, in one row of one block
  static constexpr unsigned kPad = 1;             ///< so that a column does not lie in one bank

  // Loading: each thread takes words of codes, and elements of A.
  static constexpr unsigned kWordsEach = kTileN * kWords / kThreads;
  static constexpr unsigned kElementsEach = kTileM * kTileK / kThreads;
  REFUTE_HD static unsigned word_row(unsigned thread, unsigned i) {
    return (thread + i * kThreads) / kWords;
  }
  REFUTE_HD static unsigned word_in_row(unsigned thread, unsigned i) {
    return (thread + i * kThreads) % kWords;
  }
  REFUTE_HD static unsigned a_row(unsigned thread, unsigned i) {
    return (thread + i * kThreads) / kTileK;
  }
  REFUTE_HD static unsigned a_col(unsigned thread, unsigned i) {
    return (thread + i * kThreads) % kTileK;
  }

  // Computing: kRows x kCols elements a thread, columns 16 apart so that a warp reads neighbours.
  static constexpr unsigned kColStep = 16, kCols = kTileN / kColStep, kRows = 2;
  REFUTE_HD static unsigned c_row(unsigned thread, unsigned i) {
    return thread / kColStep * kRows + i;
  }
  REFUTE_HD static unsigned c_col(unsigned thread, unsigned j) {
    return thread % kColStep + j * kColStep;
  }

  // Shared memory: A as [m][k], W as [k][n], both padded.
  REFUTE_HD static unsigned a_at(unsigned m, unsigned k) { return m * (kTileK + kPad) + k; }
  REFUTE_HD static unsigned w_at(unsigned k, unsigned n) { return k * (kTileN + kPad) + n; }
  static constexpr unsigned kASize = kTileM * (kTileK + kPad), kWSize = kTileK * (kTileN + kPad);
};

/// Byte offset of block `b` of row `row` in a packed [rows, cols] matrix.
REFUTE_HD inline std::size_t nf4_block_offset(std::size_t row, std::size_t b, std::size_t cols) {
  return (row * (cols / kNf4Block) + b) * kNf4BlockBytes;
}

/// Code i (0 … 7) of a word of four packed bytes, little-endian.
REFUTE_HD inline unsigned nf4_code_in_word(std::uint32_t word, unsigned i, Nf4Layout layout) {
  const unsigned nibble = layout == Nf4Layout::first_low ? i : i ^ 1u;
  return word >> (4 * nibble) & 15u;
}

}  // namespace refute::kernels::cuda
