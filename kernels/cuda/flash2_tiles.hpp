#pragma once

// Which rows and keys a block of flash2 works on. Query heads that share a key/value head are
// packed into the rows of one tile, so that each tile of keys is read once for all of them and a
// decode step of one query fills more than one row.

#include <cstddef>
#include <cstdint>

#include "kernels/attention.hpp"
#include "kernels/cuda/hd.hpp"

namespace refute::kernels::cuda {

/// Lengths fit 32 bits, because divisions of 64 take registers that flash2 has not; offsets do not.
struct Flash2Shape {
  static constexpr std::uint32_t kTileKeys = 64;

  std::uint32_t batch = 0, heads_q = 0, heads_kv = 0, seq_q = 0, seq_kv = 0, head_dim = 0;
  bool causal = false;

  REFUTE_HD std::uint32_t group() const { return heads_q / heads_kv; }
  /// Packed rows of one key/value head: row r is query r / group of head r % group.
  REFUTE_HD std::uint32_t rows() const { return seq_q * group(); }
  REFUTE_HD std::uint32_t query_of(std::uint32_t row) const { return row / group(); }
  REFUTE_HD std::uint32_t head_of(std::uint32_t row, std::uint32_t head_kv) const {
    return head_kv * group() + row % group();
  }

  /// Element offsets. `pair` counts (batch, key/value head).
  REFUTE_HD std::size_t query_offset(std::uint32_t pair, std::uint32_t row) const {
    const std::uint32_t b = pair / heads_kv, head = head_of(row, pair % heads_kv);
    const std::size_t vector = static_cast<std::size_t>(b * heads_q + head) * seq_q + query_of(row);
    return vector * head_dim;
  }
  REFUTE_HD std::size_t key_offset(std::uint32_t pair, std::uint32_t key) const {
    return (static_cast<std::size_t>(pair) * seq_kv + key) * head_dim;
  }

  /// How many keys a packed row sees: always the first ones; the mask is aligned bottom-right.
  REFUTE_HD std::uint32_t visible(std::uint32_t row) const {
    if (!causal) return seq_kv;
    const std::uint32_t end = query_of(row) + 1 + seq_kv;
    return end > seq_q ? end - seq_q : 0;
  }
};

/// Whether every count that a kernel makes of a shape fits, sums of two lengths among them.
inline bool flash2_counts_fit(const AttentionShape& s) {
  constexpr std::size_t kMost = std::size_t{1} << 30;
  return s.batch * s.heads_q <= kMost && s.seq_kv <= kMost &&
         s.seq_q <= kMost / (s.heads_q / s.heads_kv);
}

/// The tiles of keys that a block of rows [first, first + count) goes through: [0, end), of which
/// [0, unmasked) are seen in full by each of its rows. Rows beyond the last are padding.
struct Flash2Range {
  std::uint32_t end = 0, unmasked = 0;
};

REFUTE_HD inline Flash2Range flash2_range(const Flash2Shape& s, std::uint32_t first,
                                          std::uint32_t count) {
  const std::uint32_t rows = s.rows();
  const std::uint32_t last = first + count < rows ? first + count - 1 : rows - 1;
  constexpr std::uint32_t kKeys = Flash2Shape::kTileKeys;
  return {(s.visible(last) + kKeys - 1) / kKeys, s.visible(first) / kKeys};
}

/// How many blocks of `count` rows a key/value head takes, and where the one of that index begins:
/// those with the most keys come first, so that no long one is left for the end.
REFUTE_HD inline std::uint32_t flash2_blocks(const Flash2Shape& s, std::uint32_t count) {
  return (s.rows() + count - 1) / count;
}
REFUTE_HD inline std::uint32_t flash2_first_row(const Flash2Shape& s, std::uint32_t count,
                                                std::uint32_t index) {
  return (flash2_blocks(s, count) - 1 - index) * count;
}

/// A row's keys are cut into `splits` runs of whole tiles where there are too few blocks to fill
/// the device; each run is worked on apart, and the results are merged.
REFUTE_HD inline std::uint32_t flash2_split_begin(std::uint32_t tiles, std::uint32_t splits,
                                                  std::uint32_t index) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(tiles) * index / splits);
}

}  // namespace refute::kernels::cuda
