#pragma once

// One block of flash2: kWarps warps, each with kRowTiles x 16 rows, over tiles of 64 keys that are
// copied into shared memory one tile ahead. Dao, "FlashAttention-2" (2023), algorithm 1, in powers
// of two: scores are multiplied by scale · log2(e).
//
// The instructions come from whoever includes this, ahead of it: device_ops.cuh, or in a test
// emulated_ops_test.hpp, with which the very same code runs on the host.

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/flash2_tiles.hpp"
#include "kernels/cuda/mma_tiles.hpp"

namespace refute::kernels::cuda {

struct Flash2Inputs {
  Flash2Shape shape;
  const std::uint16_t *q, *k, *v;
  float scale_log2;
};

/// Where a split leaves what it came to: rows of kDim sums, and per row the maximum and
/// denominator.
struct Flash2Partial {
  float *sums, *maxima, *denominators;
};

template <class T, unsigned kDim, unsigned kRowTiles>
struct Flash2Block {
  static constexpr unsigned kWarps = 4, kThreads = 32 * kWarps;
  static constexpr unsigned kWarpRows = 16 * kRowTiles, kRows = kWarps * kWarpRows;
  static constexpr unsigned kKeys = Flash2Shape::kTileKeys;
  /// Keys whose scores are worked on at once: half a tile where all of them would not fit into
  /// registers beside the sums.
  static constexpr unsigned kStep = kDim * kRowTiles > 128 ? kKeys / 2 : kKeys;
  static constexpr unsigned kKeyTiles = kStep / 8, kDimTiles = kDim / 8;
  static constexpr unsigned kTile = kKeys * kDim;
  static constexpr std::size_t kSharedBytes = (kRows * kDim + 4 * kTile) * sizeof(std::uint16_t);
  /// Registers hold the queries where there are few enough of them.
  static constexpr bool kHoldQueries = kDim * kRowTiles <= 128;
  using Layout = SwizzledTile<kDim>;

  const Flash2Inputs& in;
  std::uint32_t pair, first_row;
  std::uint16_t* shared;
  unsigned warp, lane;

  float sum[kRowTiles][kDimTiles][4];
  float score[kRowTiles][kKeyTiles][4];
  // Of rows lane / 4 and lane / 4 + 8 of each row tile.
  float max[kRowTiles][2], denominator[kRowTiles][2];
  std::uint32_t visible[kRowTiles][2];  ///< divided out once, because a division takes registers
  std::uint32_t queries[kHoldQueries ? kRowTiles : 1][kHoldQueries ? kDim / 16 : 1][4];

  __device__ Flash2Block(const Flash2Inputs& inputs, std::uint32_t of_pair, std::uint32_t from_row,
                         std::uint16_t* memory)
      : in(inputs),
        pair(of_pair),
        first_row(from_row),
        shared(memory),
        warp(threadIdx.x / 32),
        lane(threadIdx.x % 32) {
#pragma unroll
    for (unsigned rt = 0; rt < kRowTiles; ++rt) {
#pragma unroll
      for (unsigned h = 0; h < 2; ++h) {
        max[rt][h] = -INFINITY;
        denominator[rt][h] = 0.0f;
        visible[rt][h] = in.shape.visible(row_of(rt, h));
      }
#pragma unroll
      for (unsigned nt = 0; nt < kDimTiles; ++nt) {
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) sum[rt][nt][i] = 0.0f;
      }
    }
  }

  __device__ std::uint16_t* query_tile() const {
    return shared;
  }
  __device__ std::uint16_t* key_tile(std::uint32_t tile) const {
    return shared + kRows * kDim + tile % 2 * 2 * kTile;
  }
  __device__ std::uint16_t* value_tile(std::uint32_t tile) const {
    return key_tile(tile) + kTile;
  }

  /// The packed row of element pair h of row tile rt.
  __device__ std::uint32_t row_of(unsigned rt, unsigned h) const {
    return first_row + warp * kWarpRows + rt * 16 + accumulator_place(lane, 2 * h).row;
  }

  __device__ void copy_queries() const {
#pragma unroll 4
    for (unsigned i = threadIdx.x; i < kRows * Layout::kChunks; i += kThreads) {
      const unsigned row = i / Layout::kChunks, chunk = i % Layout::kChunks;
      const bool there = first_row + row < in.shape.rows();
      const std::size_t from = there ? in.shape.query_offset(pair, first_row + row) + 8 * chunk : 0;
      copy_chunk(query_tile() + Layout::chunk_at(row, chunk), in.q + from, there);
    }
  }

  /// Keys beyond the last become zeros: a product with them is a number, whatever lies in memory.
  __device__ void copy_tile(std::uint32_t tile) const {
#pragma unroll 4
    for (unsigned i = threadIdx.x; i < kKeys * Layout::kChunks; i += kThreads) {
      const unsigned row = i / Layout::kChunks, chunk = i % Layout::kChunks;
      const std::uint32_t key = tile * kKeys + row;
      const bool there = key < in.shape.seq_kv;
      const std::size_t from = there ? in.shape.key_offset(pair, key) + 8 * chunk : 0;
      const unsigned to = Layout::chunk_at(row, chunk);
      copy_chunk(key_tile(tile) + to, in.k + from, there);
      copy_chunk(value_tile(tile) + to, in.v + from, there);
    }
  }

  __device__ void load_queries(std::uint32_t (&a)[4], unsigned rt, unsigned kc) const {
    const Place at = operand_a_source(lane, warp * kWarpRows + rt * 16, 16 * kc);
    ldmatrix(a, query_tile() + Layout::at(at.row, at.col));
  }

  __device__ void hold_queries() {
    if constexpr (kHoldQueries) {
#pragma unroll
      for (unsigned rt = 0; rt < kRowTiles; ++rt) {
#pragma unroll
        for (unsigned kc = 0; kc < kDim / 16; ++kc) load_queries(queries[rt][kc], rt, kc);
      }
    }
  }

  /// S = Q·Kᵀ for the kStep keys that begin at `keys`.
  __device__ void make_scores(const std::uint16_t* keys) {
#pragma unroll
    for (unsigned rt = 0; rt < kRowTiles; ++rt) {
#pragma unroll
      for (unsigned nt = 0; nt < kKeyTiles; ++nt) {
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) score[rt][nt][i] = 0.0f;
      }
    }
#pragma unroll
    for (unsigned kc = 0; kc < kDim / 16; ++kc) {
      std::uint32_t a[kRowTiles][4];
#pragma unroll
      for (unsigned rt = 0; rt < kRowTiles; ++rt) {
        if constexpr (kHoldQueries) {
#pragma unroll
          for (unsigned i = 0; i < 4; ++i) a[rt][i] = queries[rt][kc][i];
        } else {
          load_queries(a[rt], rt, kc);
        }
      }
#pragma unroll
      for (unsigned nt = 0; nt < kKeyTiles; nt += 2) {
        const Place at = keys_source(lane, 8 * nt, 16 * kc);
        std::uint32_t b[4];
        ldmatrix(b, keys + Layout::at(at.row, at.col));
#pragma unroll
        for (unsigned rt = 0; rt < kRowTiles; ++rt) {
          Half<T>::multiply(score[rt][nt], a[rt], b[0], b[1]);
          Half<T>::multiply(score[rt][nt + 1], a[rt], b[2], b[3]);
        }
      }
    }
  }

  /// Before the mask, so that a scale of zero or below leaves -infinity alone.
  __device__ void scale_scores() {
#pragma unroll
    for (unsigned rt = 0; rt < kRowTiles; ++rt) {
#pragma unroll
      for (unsigned nt = 0; nt < kKeyTiles; ++nt) {
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) score[rt][nt][i] *= in.scale_log2;
      }
    }
  }

  /// What a row does not see counts as -infinity, whatever its score came to.
  __device__ void mask_scores(std::uint32_t first_key) {
#pragma unroll
    for (unsigned rt = 0; rt < kRowTiles; ++rt) {
#pragma unroll
      for (unsigned nt = 0; nt < kKeyTiles; ++nt) {
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) {
          const std::uint32_t key = first_key + 8 * nt + accumulator_place(lane, i).col;
          if (key >= visible[rt][i / 2]) score[rt][nt][i] = -INFINITY;
        }
      }
    }
  }

  /// m' = max(m, rowmax S), P = 2^(S - m'), ℓ' = 2^(m - m')·ℓ + rowsum P, O' = 2^(m - m')·O. A row
  /// that has seen nothing keeps m = -infinity, and is measured from 0. fmaxf passes NaN by, and P
  /// brings it back.
  __device__ void fold_scores() {
#pragma unroll
    for (unsigned rt = 0; rt < kRowTiles; ++rt) {
#pragma unroll
      for (unsigned h = 0; h < 2; ++h) {
        float top = max[rt][h];
#pragma unroll
        for (unsigned nt = 0; nt < kKeyTiles; ++nt) {
#pragma unroll
          for (unsigned i = 2 * h; i < 2 * h + 2; ++i) {
            top = fmaxf(top, score[rt][nt][i]);
          }
        }
        top = fmaxf(top, __shfl_xor_sync(0xFFFFFFFFu, top, 1));
        top = fmaxf(top, __shfl_xor_sync(0xFFFFFFFFu, top, 2));
        const float base = top == -INFINITY ? 0.0f : top;
        const float rescale = exp2_fast(max[rt][h] - base);
        max[rt][h] = top;
        float total = 0.0f;
#pragma unroll
        for (unsigned nt = 0; nt < kKeyTiles; ++nt) {
#pragma unroll
          for (unsigned i = 2 * h; i < 2 * h + 2; ++i) {
            score[rt][nt][i] = exp2_fast(score[rt][nt][i] - base);
            total += score[rt][nt][i];
          }
        }
        denominator[rt][h] = __fmaf_rn(denominator[rt][h], rescale, total);
#pragma unroll
        for (unsigned nt = 0; nt < kDimTiles; ++nt) {
#pragma unroll
          for (unsigned i = 2 * h; i < 2 * h + 2; ++i) sum[rt][nt][i] *= rescale;
        }
      }
    }
  }

  __device__ static bool is_finite(std::uint16_t bits) {
    return (bits & Half<T>::kInfinity) != Half<T>::kInfinity;
  }

  /// In a tile that not every row sees in full, a weight of 0 does not keep a NaN or an infinity
  /// among the values away, because 0·NaN is NaN. Where there are any, they are added to the rows
  /// that see them, and become zeros for the product.
  __device__ void take_out_non_finite(std::uint32_t tile) {
    std::uint16_t* const values = value_tile(tile);
    bool mine = false;
    for (unsigned i = threadIdx.x; i < kTile; i += kThreads) mine |= !is_finite(values[i]);
    if (__syncthreads_or(mine) == 0) return;
    for (unsigned key = 0; key < kKeys; ++key) {
#pragma unroll
      for (unsigned nt = 0; nt < kDimTiles; ++nt) {
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) {
          const unsigned col = 8 * nt + accumulator_place(lane, i).col;
          const std::uint16_t bits = values[Layout::at(key, col)];
          if (is_finite(bits)) continue;
#pragma unroll
          for (unsigned rt = 0; rt < kRowTiles; ++rt) {
            if (tile * kKeys + key < visible[rt][i / 2]) sum[rt][nt][i] += to_float(T{bits});
          }
        }
      }
    }
    __syncthreads();
    for (unsigned i = threadIdx.x; i < kTile; i += kThreads) {
      if (!is_finite(values[i])) values[i] = 0;
    }
    __syncthreads();
  }

  /// O += P·V, with P rounded to T. Two accumulator tiles side by side are one operand A.
  __device__ void add_values(const std::uint16_t* values) {
#pragma unroll
    for (unsigned kc = 0; kc < kStep / 16; ++kc) {
      std::uint32_t a[kRowTiles][4];
#pragma unroll
      for (unsigned rt = 0; rt < kRowTiles; ++rt) {
        const auto& left = score[rt][2 * kc];
        const auto& right = score[rt][2 * kc + 1];
        a[rt][0] = Half<T>::pair(left[0], left[1]);
        a[rt][1] = Half<T>::pair(left[2], left[3]);
        a[rt][2] = Half<T>::pair(right[0], right[1]);
        a[rt][3] = Half<T>::pair(right[2], right[3]);
      }
#pragma unroll
      for (unsigned nt = 0; nt < kDimTiles; nt += 2) {
        const Place at = values_source(lane, 16 * kc, 8 * nt);
        std::uint32_t b[4];
        ldmatrix_transposed(b, values + Layout::at(at.row, at.col));
#pragma unroll
        for (unsigned rt = 0; rt < kRowTiles; ++rt) {
          Half<T>::multiply(sum[rt][nt], a[rt], b[0], b[1]);
          Half<T>::multiply(sum[rt][nt + 1], a[rt], b[2], b[3]);
        }
      }
    }
  }

  /// Tiles [begin, end), of which those from `unmasked` on need the mask.
  __device__ void run(std::uint32_t begin, std::uint32_t end, std::uint32_t unmasked) {
    if (begin >= end) return;
    copy_queries();
    copy_tile(begin);
    commit_copies();
    for (std::uint32_t tile = begin; tile < end; ++tile) {
      if (tile + 1 < end) {
        copy_tile(tile + 1);
        commit_copies();
        wait_for_copies<1>();
      } else {
        wait_for_copies<0>();
      }
      __syncthreads();
      if (tile == begin) hold_queries();
#pragma unroll 1
      for (unsigned key = 0; key < kKeys; key += kStep) {
        make_scores(key_tile(tile) + key * kDim);
        scale_scores();
        if (tile >= unmasked) mask_scores(tile * kKeys + key);
        fold_scores();
        if (tile >= unmasked && key == 0) take_out_non_finite(tile);
        add_values(value_tile(tile) + key * kDim);
      }
      __syncthreads();  // before the next copy overwrites what was read here
    }
  }

  /// The four lanes of a row each summed their own keys.
  __device__ float row_denominator(unsigned rt, unsigned h) const {
    float total = denominator[rt][h];
    total += __shfl_xor_sync(0xFFFFFFFFu, total, 1);
    return total + __shfl_xor_sync(0xFFFFFFFFu, total, 2);
  }

  __device__ void store(std::uint16_t* out) const {
#pragma unroll
    for (unsigned rt = 0; rt < kRowTiles; ++rt) {
#pragma unroll
      for (unsigned h = 0; h < 2; ++h) {
        const float total = row_denominator(rt, h);
        const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
        const std::uint32_t row = row_of(rt, h);
        if (row >= in.shape.rows()) continue;
        std::uint16_t* const to = out + in.shape.query_offset(pair, row);
#pragma unroll
        for (unsigned nt = 0; nt < kDimTiles; ++nt) {
          const unsigned col = 8 * nt + accumulator_place(lane, 2 * h).col;
          *reinterpret_cast<std::uint32_t*>(to + col) =
              Half<T>::pair(sum[rt][nt][2 * h] * inverse, sum[rt][nt][2 * h + 1] * inverse);
        }
      }
    }
  }

  __device__ void store_partial(const Flash2Partial& to, std::size_t first) const {
#pragma unroll
    for (unsigned rt = 0; rt < kRowTiles; ++rt) {
#pragma unroll
      for (unsigned h = 0; h < 2; ++h) {
        const float total = row_denominator(rt, h);
        const std::uint32_t row = row_of(rt, h);
        if (row >= in.shape.rows()) continue;
        if (lane % 4 == 0) {
          to.maxima[first + row] = max[rt][h];
          to.denominators[first + row] = total;
        }
#pragma unroll
        for (unsigned nt = 0; nt < kDimTiles; ++nt) {
          const unsigned col = 8 * nt + accumulator_place(lane, 2 * h).col;
          *reinterpret_cast<float2*>(to.sums + (first + row) * kDim + col) =
              make_float2(sum[rt][nt][2 * h], sum[rt][nt][2 * h + 1]);
        }
      }
    }
  }
};

/// Everything that block `index` of a launch does. `shared` has kSharedBytes.
template <class Block>
__device__ void flash2_work(const Flash2Inputs& in, std::uint16_t* out,
                            const Flash2Partial& partial, std::uint32_t splits, std::uint32_t index,
                            std::uint16_t* shared) {
  const std::uint32_t pairs = in.shape.batch * in.shape.heads_kv;
  const std::uint32_t blocks = flash2_blocks(in.shape, Block::kRows);
  const std::uint32_t pair = index % pairs, split = index / pairs / blocks;
  const std::uint32_t first = flash2_first_row(in.shape, Block::kRows, index / pairs % blocks);
  const Flash2Range range = flash2_range(in.shape, first, Block::kRows);
  Block block(in, pair, first, shared);
  block.run(flash2_split_begin(range.end, splits, split),
            flash2_split_begin(range.end, splits, split + 1), range.unmasked);
  if (splits == 1) {
    block.store(out);
  } else {
    block.store_partial(partial, (std::size_t{split} * pairs + pair) * in.shape.rows());
  }
}

/// Column `col` of packed row `at` (of `all` in the launch) from what the splits left, each weighed
/// against their common maximum.
template <unsigned kDim>
__device__ float flash2_merged(const Flash2Partial& partial, std::uint32_t splits, std::size_t all,
                               std::size_t at, unsigned col) {
  float top = -INFINITY;
  for (std::uint32_t s = 0; s < splits; ++s) top = fmaxf(top, partial.maxima[s * all + at]);
  const float base = top == -INFINITY ? 0.0f : top;
  float total = 0.0f, sum = 0.0f;
  for (std::uint32_t s = 0; s < splits; ++s) {
    const std::size_t from = s * all + at;
    const float weight = exp2_fast(partial.maxima[from] - base);
    total = __fmaf_rn(weight, partial.denominators[from], total);
    sum = __fmaf_rn(weight, partial.sums[from * kDim + col], sum);
  }
  return total == 0.0f ? 0.0f : sum * (1.0f / total);
}

}  // namespace refute::kernels::cuda
