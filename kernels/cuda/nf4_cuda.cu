#include "kernels/cpu/nf4_shape.hpp"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/memory.cuh"
#include "kernels/cuda/nf4_cuda.hpp"
#include "kernels/cuda/nf4_tiles.hpp"

namespace refute::kernels::cuda {
namespace {

__constant__ const float kCodebook[16] = {
    kNf4Codebook[0],  kNf4Codebook[1],  kNf4Codebook[2],  kNf4Codebook[3],
    kNf4Codebook[4],  kNf4Codebook[5],  kNf4Codebook[6],  kNf4Codebook[7],
    kNf4Codebook[8],  kNf4Codebook[9],  kNf4Codebook[10], kNf4Codebook[11],
    kNf4Codebook[12], kNf4Codebook[13], kNf4Codebook[14], kNf4Codebook[15],
};

/// The table once for every lane: lanes that look up different codes do not wait for each other.
struct LaneTable {
  float value[16 * kWarp];

  __device__ void fill() {
    for (unsigned i = threadIdx.x; i < 16 * kWarp; i += blockDim.x) value[i] = kCodebook[i / kWarp];
    __syncthreads();
  }
  __device__ float operator()(unsigned code) const {
    return value[code * kWarp + threadIdx.x % kWarp];
  }
};

__global__ void __launch_bounds__(kThreads)
    dequantize_kernel(const std::uint8_t* codes, const float* absmax, float* out, std::size_t n,
                      bool in_vectors) {
  __shared__ LaneTable table;
  table.fill();
  const std::size_t stride = std::size_t{gridDim.x} * kThreads * 4;
  // n is a multiple of 64, so four codes never cross a block or the end.
  for (std::size_t i = (std::size_t{blockIdx.x} * kThreads + threadIdx.x) * 4; i < n; i += stride) {
    const float scale = absmax[i / kNf4Block];
    if (in_vectors) {
      const uchar4 c = *reinterpret_cast<const uchar4*>(codes + i);
      *reinterpret_cast<float4*>(out + i) =
          make_float4(table(c.x & 15u) * scale, table(c.y & 15u) * scale, table(c.z & 15u) * scale,
                      table(c.w & 15u) * scale);
    } else {
      for (unsigned j = 0; j < 4; ++j) out[i + j] = table(codes[i + j] & 15u) * scale;
    }
  }
}

/// A thread decodes one word: eight codes. Blocks are nine words, the first of them the scale.
__global__ void __launch_bounds__(kThreads)
    dequantize_packed_kernel(const std::uint32_t* packed, float* out, std::size_t words,
                             Nf4Layout layout, bool in_vectors) {
  __shared__ LaneTable table;
  table.fill();
  const std::size_t stride = std::size_t{gridDim.x} * kThreads;
  for (std::size_t w = std::size_t{blockIdx.x} * kThreads + threadIdx.x; w < words; w += stride) {
    const std::uint32_t* block = packed + w / 8 * (kNf4BlockBytes / 4);
    const float scale = __uint_as_float(block[0]);
    const std::uint32_t codes = block[1 + w % 8];
    float value[8];
#pragma unroll
    for (unsigned i = 0; i < 8; ++i) value[i] = table(nf4_code_in_word(codes, i, layout)) * scale;
    if (in_vectors) {
      auto* to = reinterpret_cast<float4*>(out + 8 * w);
      to[0] = make_float4(value[0], value[1], value[2], value[3]);
      to[1] = make_float4(value[4], value[5], value[6], value[7]);
    } else {
#pragma unroll
      for (unsigned i = 0; i < 8; ++i) out[8 * w + i] = value[i];
    }
  }
}

struct GemmShared {
  float a[Nf4Tile::kASize], w[Nf4Tile::kWSize];
  LaneTable table;
};

struct Gemm {
  const float* a;
  const std::uint8_t* packed;
  float* c;
  std::size_t m, n, k;
  Nf4Layout layout;

  /// A's tile, zeros beyond its edge.
  __device__ void load_a(GemmShared& s, std::size_t m0, std::size_t k0) const {
#pragma unroll
    for (unsigned i = 0; i < Nf4Tile::kElementsEach; ++i) {
      const unsigned row = Nf4Tile::a_row(threadIdx.x, i), col = Nf4Tile::a_col(threadIdx.x, i);
      s.a[Nf4Tile::a_at(row, col)] = m0 + row < m ? a[(m0 + row) * k + k0 + col] : 0.0f;
    }
  }

  /// One block of every weight row of the tile, decoded; zeros beyond the edge.
  __device__ void load_w(GemmShared& s, std::size_t n0, std::size_t k0) const {
#pragma unroll
    for (unsigned i = 0; i < Nf4Tile::kWordsEach; ++i) {
      const unsigned row = Nf4Tile::word_row(threadIdx.x, i);
      const unsigned word = Nf4Tile::word_in_row(threadIdx.x, i);
      float scale = 0.0f;
      std::uint32_t codes = 0;
      if (n0 + row < n) {
        const auto* block = reinterpret_cast<const std::uint32_t*>(
            packed + nf4_block_offset(n0 + row, k0 / kNf4Block, k));
        scale = __uint_as_float(block[0]);
        codes = block[1 + word];
      }
#pragma unroll
      for (unsigned j = 0; j < 8; ++j) {
        const float value = s.table(nf4_code_in_word(codes, j, layout)) * scale;
        s.w[Nf4Tile::w_at(8 * word + j, row)] = n0 + row < n ? value : 0.0f;
      }
    }
  }

  __device__ static void multiply(const GemmShared& s,
                                  float (&sum)[Nf4Tile::kRows][Nf4Tile::kCols]) {
#pragma unroll 8
    for (unsigned kk = 0; kk < Nf4Tile::kTileK; ++kk) {
#pragma unroll
      for (unsigned i = 0; i < Nf4Tile::kRows; ++i) {
        const float x = s.a[Nf4Tile::a_at(Nf4Tile::c_row(threadIdx.x, i), kk)];
#pragma unroll
        for (unsigned j = 0; j < Nf4Tile::kCols; ++j) {
          sum[i][j] =
              __fmaf_rn(x, s.w[Nf4Tile::w_at(kk, Nf4Tile::c_col(threadIdx.x, j))], sum[i][j]);
        }
      }
    }
  }

  __device__ void store(const float (&sum)[Nf4Tile::kRows][Nf4Tile::kCols], std::size_t m0,
                        std::size_t n0) const {
#pragma unroll
    for (unsigned i = 0; i < Nf4Tile::kRows; ++i) {
      const std::size_t row = m0 + Nf4Tile::c_row(threadIdx.x, i);
#pragma unroll
      for (unsigned j = 0; j < Nf4Tile::kCols; ++j) {
        const std::size_t col = n0 + Nf4Tile::c_col(threadIdx.x, j);
        if (row < m && col < n) c[row * n + col] = sum[i][j];
      }
    }
  }
};

__global__ void __launch_bounds__(Nf4Tile::kThreads) gemm_kernel(Gemm g) {
  __shared__ GemmShared s;
  s.table.fill();
  const std::size_t tiles_n = (g.n + Nf4Tile::kTileN - 1) / Nf4Tile::kTileN;
  const std::size_t tiles = (g.m + Nf4Tile::kTileM - 1) / Nf4Tile::kTileM * tiles_n;
  for (std::size_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const std::size_t m0 = tile / tiles_n * Nf4Tile::kTileM, n0 = tile % tiles_n * Nf4Tile::kTileN;
    float sum[Nf4Tile::kRows][Nf4Tile::kCols] = {};
    for (std::size_t k0 = 0; k0 < g.k; k0 += Nf4Tile::kTileK) {
      g.load_a(s, m0, k0);
      g.load_w(s, n0, k0);
      __syncthreads();
      Gemm::multiply(s, sum);
      __syncthreads();
    }
    g.store(sum, m0, n0);
  }
}

CudaStatus need_word_alignment(const void* packed) {
  if (reinterpret_cast<std::uintptr_t>(packed) % 4 == 0) return {};
  return {CudaError::failed, false, "packed NF4 in device memory must lie at a multiple of 4"};
}

}  // namespace

CudaAnswer<Nf4Result> nf4_dequantize(std::span<const std::uint8_t> codes,
                                     std::span<const float> absmax, std::size_t rows,
                                     std::size_t cols, std::span<float> out) {
  const Nf4Status fit = nf4_check_blocks(rows, cols, out.size(), codes.size(), absmax.size());
  if (fit != Nf4Status::ok || out.empty()) return {{}, {fit}};
  Staged<std::uint8_t> code_in;
  Staged<float> scale_in, values;
  const auto launch = [&] {
    const bool in_vectors = aligned16(code_in.data()) && aligned16(values.data());
    dequantize_kernel<<<blocks_for(out.size(), kThreads * 4), kThreads>>>(
        code_in.data(), scale_in.data(), values.data(), out.size(), in_vectors);
    return finished("nf4_dequantize");
  };
  return {first_failure(
              [&] { return code_in.input(codes); }, [&] { return scale_in.input(absmax); },
              [&] { return values.output(out); }, launch, [&] { return code_in.check("codes"); },
              [&] { return scale_in.check("absmax"); }, [&] { return values.fetch("values"); }),
          {}};
}

CudaAnswer<Nf4Result> nf4_dequantize_packed(std::span<const std::uint8_t> packed, std::size_t rows,
                                            std::size_t cols, Nf4Layout layout,
                                            std::span<float> out) {
  Nf4Status fit = nf4_check_packed(rows, cols, packed.size());
  if (fit == Nf4Status::ok && !nf4_is_product(out.size(), rows, cols))
    fit = Nf4Status::size_mismatch;
  if (fit != Nf4Status::ok || out.empty()) return {{}, {fit}};
  Staged<std::uint8_t> in;
  Staged<float> values;
  const auto launch = [&] {
    const std::size_t words = out.size() / 8;
    dequantize_packed_kernel<<<blocks_for(words, kThreads), kThreads>>>(
        reinterpret_cast<const std::uint32_t*>(in.data()), values.data(), words, layout,
        aligned16(values.data()));
    return finished("nf4_dequantize_packed");
  };
  return {first_failure([&] { return in.input(packed); },
                        [&] { return need_word_alignment(in.data()); },
                        [&] { return values.output(out); }, launch,
                        [&] { return in.check("packed"); }, [&] { return values.fetch("values"); }),
          {}};
}

CudaAnswer<Nf4Result> nf4_gemm(std::span<const float> a, std::span<const std::uint8_t> packed,
                               std::size_t m, std::size_t n, std::size_t k, Nf4Layout layout,
                               std::span<float> c) {
  const Nf4Status fit = nf4_check_gemm(a, packed, m, n, k, c);
  if (fit != Nf4Status::ok || c.empty()) return {{}, {fit}};
  Staged<float> a_in, c_out;
  Staged<std::uint8_t> w_in;
  const auto launch = [&] {
    const std::size_t tiles =
        (m + Nf4Tile::kTileM - 1) / Nf4Tile::kTileM * ((n + Nf4Tile::kTileN - 1) / Nf4Tile::kTileN);
    gemm_kernel<<<blocks_for(tiles, 1), Nf4Tile::kThreads>>>(
        Gemm{a_in.data(), w_in.data(), c_out.data(), m, n, k, layout});
    return finished("nf4_gemm");
  };
  return {first_failure([&] { return a_in.input(a); }, [&] { return w_in.input(packed); },
                        [&] { return need_word_alignment(w_in.data()); },
                        [&] { return c_out.output(c); }, launch, [&] { return a_in.check("a"); },
                        [&] { return w_in.check("packed"); }, [&] { return c_out.fetch("c"); }),
          {}};
}

}  // namespace refute::kernels::cuda
