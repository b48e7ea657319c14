// NF4 on vectors: Highway compiles this file once per instruction set and picks one at the first
// call.

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "kernels/cpu/nf4_shape.hpp"
#include "kernels/nf4.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/nf4_simd.cpp"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>
//
#include "kernels/cpu/nf4_simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace refute::kernels::HWY_NAMESPACE {

std::uint32_t Nf4MaxBits(const float* w, std::size_t count) {
  return MaxMagnitude(w, count);
}

void QuantizeBlocks(const float* w, std::size_t blocks, Nf4Decision decision, std::uint8_t* codes,
                    float* absmax) {
  for (std::size_t b = 0; b < blocks; ++b, w += kNf4Block, codes += kNf4Block) {
    if (decision == Nf4Decision::thresholds) {
      QuantizeBlock<Nf4Decision::thresholds>(w, codes, absmax[b]);
    } else {
      QuantizeBlock<Nf4Decision::nearest>(w, codes, absmax[b]);
    }
  }
}

void DequantizeBlocks(const std::uint8_t* codes, const float* absmax, std::size_t blocks,
                      float* out) {
  for (std::size_t b = 0; b < blocks; ++b)
    DequantizeBlock(codes + b * kNf4Block, absmax[b], out + b * kNf4Block);
}

void PackBlocks(const std::uint8_t* codes, const float* absmax, std::size_t blocks,
                Nf4Layout layout, std::uint8_t* packed) {
  for (std::size_t b = 0; b < blocks; ++b, packed += kNf4BlockBytes) {
    nf4_store_scale(absmax[b], packed);
    PackCodes(codes + b * kNf4Block, layout, packed + 4);
  }
}

void UnpackBlocks(const std::uint8_t* packed, std::size_t blocks, Nf4Layout layout,
                  std::uint8_t* codes, float* absmax) {
  for (std::size_t b = 0; b < blocks; ++b, packed += kNf4BlockBytes) {
    absmax[b] = nf4_load_scale(packed);
    UnpackCodes(packed + 4, layout, codes + b * kNf4Block);
  }
}

void Nf4Gemm(const float* a, const std::uint8_t* packed, std::size_t m, std::size_t n,
             std::size_t k, Nf4Layout layout, float* c) {
  std::vector<float> row(k);
  std::uint8_t codes[kNf4Block];
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t t = 0; t < k; t += kNf4Block, packed += kNf4BlockBytes) {
      UnpackCodes(packed + 4, layout, codes);
      DequantizeBlock(codes, nf4_load_scale(packed), row.data() + t);
    }
    std::size_t i = 0;
    for (; i + 4 <= m; i += 4) DotRows<4>(a + i * k, row.data(), k, c + i * n + j, n);
    for (; i < m; ++i) DotRows<1>(a + i * k, row.data(), k, c + i * n + j, n);
  }
}

void NaiveGemm(const float* a, const float* b, std::size_t m, std::size_t n, std::size_t k,
               float* c) {
  std::vector<float> tile(k * 16);
  float block[4][16];
  for (std::size_t j = 0; j < n; j += 16) {
    const std::size_t columns = std::min<std::size_t>(16, n - j);
    for (std::size_t t = 0; t < k; ++t) {
      for (std::size_t x = 0; x < columns; ++x) tile[t * 16 + x] = b[(j + x) * k + t];
    }
    for (std::size_t i = 0; i < m; i += 4) {
      const std::size_t rows = std::min<std::size_t>(4, m - i);
      if (rows == 4) {
        MultiplyTile<4>(a + i * k, tile.data(), k, block);
      } else {
        for (std::size_t r = 0; r < rows; ++r)
          MultiplyTile<1>(a + (i + r) * k, tile.data(), k, block + r);
      }
      for (std::size_t r = 0; r < rows; ++r) std::copy_n(block[r], columns, c + (i + r) * n + j);
    }
  }
}

}  // namespace refute::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refute::kernels {

HWY_EXPORT(Nf4MaxBits);
HWY_EXPORT(QuantizeBlocks);
HWY_EXPORT(DequantizeBlocks);
HWY_EXPORT(PackBlocks);
HWY_EXPORT(UnpackBlocks);
HWY_EXPORT(Nf4Gemm);
HWY_EXPORT(NaiveGemm);

namespace cpu_simd {

Nf4Result nf4_quantize(std::span<const float> w, std::size_t rows, std::size_t cols,
                       Nf4Decision decision, std::span<std::uint8_t> codes,
                       std::span<float> absmax) {
  const Nf4Status status = nf4_check_blocks(rows, cols, w.size(), codes.size(), absmax.size());
  if (status != Nf4Status::ok) return {status};
  if (HWY_DYNAMIC_DISPATCH(Nf4MaxBits)(w.data(), w.size()) >= 0x7F800000u) {
    const auto bad = std::ranges::find_if(w, [](float x) { return !std::isfinite(x); });
    return {Nf4Status::non_finite, static_cast<std::size_t>(bad - w.begin())};
  }
  HWY_DYNAMIC_DISPATCH(QuantizeBlocks)
  (w.data(), absmax.size(), decision, codes.data(), absmax.data());
  return {};
}

Nf4Result nf4_dequantize(std::span<const std::uint8_t> codes, std::span<const float> absmax,
                         std::size_t rows, std::size_t cols, std::span<float> out) {
  const Nf4Status status = nf4_check_blocks(rows, cols, out.size(), codes.size(), absmax.size());
  if (status != Nf4Status::ok) return {status};
  HWY_DYNAMIC_DISPATCH(DequantizeBlocks)(codes.data(), absmax.data(), absmax.size(), out.data());
  return {};
}

Nf4Result nf4_pack(std::span<const std::uint8_t> codes, std::span<const float> absmax,
                   std::size_t rows, std::size_t cols, Nf4Layout layout,
                   std::span<std::uint8_t> packed) {
  Nf4Status status = nf4_check_blocks(rows, cols, codes.size(), codes.size(), absmax.size());
  if (status == Nf4Status::ok) status = nf4_check_packed(rows, cols, packed.size());
  if (status != Nf4Status::ok) return {status};
  HWY_DYNAMIC_DISPATCH(PackBlocks)
  (codes.data(), absmax.data(), absmax.size(), layout, packed.data());
  return {};
}

Nf4Result nf4_unpack(std::span<const std::uint8_t> packed, std::size_t rows, std::size_t cols,
                     Nf4Layout layout, std::span<std::uint8_t> codes, std::span<float> absmax) {
  Nf4Status status = nf4_check_blocks(rows, cols, codes.size(), codes.size(), absmax.size());
  if (status == Nf4Status::ok) status = nf4_check_packed(rows, cols, packed.size());
  if (status != Nf4Status::ok) return {status};
  HWY_DYNAMIC_DISPATCH(UnpackBlocks)
  (packed.data(), absmax.size(), layout, codes.data(), absmax.data());
  return {};
}

Nf4Result nf4_gemm(std::span<const float> a, std::span<const std::uint8_t> packed, std::size_t m,
                   std::size_t n, std::size_t k, Nf4Layout layout, std::span<float> c) {
  const Nf4Status status = nf4_check_gemm(a, packed, m, n, k, c);
  if (status != Nf4Status::ok) return {status};
  HWY_DYNAMIC_DISPATCH(Nf4Gemm)(a.data(), packed.data(), m, n, k, layout, c.data());
  return {};
}

Nf4Result naive_gemm(std::span<const float> a, std::span<const float> b, std::size_t m,
                     std::size_t n, std::size_t k, std::span<float> c) {
  const bool fits = nf4_is_product(a.size(), m, k) && nf4_is_product(b.size(), n, k) &&
                    nf4_is_product(c.size(), m, n);
  if (!fits) return {Nf4Status::size_mismatch};
  HWY_DYNAMIC_DISPATCH(NaiveGemm)(a.data(), b.data(), m, n, k, c.data());
  return {};
}

}  // namespace cpu_simd
}  // namespace refute::kernels
#endif  // HWY_ONCE
