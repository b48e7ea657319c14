// NF4 one value at a time. The thresholds are those of bitsandbytes' dQuantizeNF4
// (csrc/kernels.cu).

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "kernels/cpu/nf4_shape.hpp"
#include "kernels/nf4.hpp"

namespace refute::kernels::cpu_scalar {
namespace {

constexpr std::array<float, 15> kThresholds = {
    -0.8480964004993439f,  -0.6106329262256622f, -0.45999527f,        -0.33967943f,
    -0.23460740596055984f, -0.13791173f,         -0.045525018f,       0.03979015f,
    0.1202552504837513f,   0.20352125f,          0.29201377f,         0.38931254f,
    0.5016634166240692f,   0.64278692f,          0.8614784181118011f,
};
constexpr std::size_t kLanes = 16;

std::uint8_t code_by_thresholds(float x) {
  const auto above = [x](float threshold) { return x > threshold; };
  return static_cast<std::uint8_t>(std::ranges::count_if(kThresholds, above));
}

std::uint8_t code_by_distance(float x) {
  std::uint8_t best = 0;
  float least = std::fabs(x - kNf4Codebook[0]);
  for (std::uint8_t code = 1; code < 16; ++code) {
    const float distance = std::fabs(x - kNf4Codebook[code]);
    if (distance >= least) continue;
    least = distance;
    best = code;
  }
  return best;
}

void quantize_block(const float* w, Nf4Decision decision, std::uint8_t* codes, float& absmax) {
  absmax = 0.0f;
  for (std::size_t i = 0; i < kNf4Block; ++i) absmax = std::max(absmax, std::fabs(w[i]));
  if (absmax == 0.0f) {
    std::fill_n(codes, kNf4Block, std::uint8_t{7});
    return;
  }
  const float inverse = 1.0f / absmax;
  for (std::size_t i = 0; i < kNf4Block; ++i) {
    const float x = std::isinf(inverse) ? w[i] / absmax : w[i] * inverse;
    codes[i] = decision == Nf4Decision::thresholds ? code_by_thresholds(x) : code_by_distance(x);
  }
}

/// One row of packed blocks as values.
void dequantize_row(const std::uint8_t* block, std::size_t cols, Nf4Layout layout, float* out) {
  const int first_shift = layout == Nf4Layout::first_low ? 0 : 4;
  for (std::size_t begin = 0; begin < cols; begin += kNf4Block, block += kNf4BlockBytes) {
    const float absmax = nf4_load_scale(block);
    for (std::size_t i = 0; i < kNf4Block; i += 2) {
      const int byte = block[4 + i / 2];
      out[begin + i] = kNf4Codebook[byte >> first_shift & 15] * absmax;
      out[begin + i + 1] = kNf4Codebook[byte >> (4 - first_shift) & 15] * absmax;
    }
  }
}

/// k is a multiple of 16. Sum over lanes: j takes in j + 8, then j + 4, j + 2, j + 1.
float dot_in_lanes(const float* a, const float* b, std::size_t k) {
  std::array<float, kLanes> sum{};
  for (std::size_t t = 0; t < k; t += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) sum[j] += a[t + j] * b[t + j];
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) sum[j] += sum[j + half];
  }
  return sum[0];
}

}  // namespace

Nf4Result nf4_quantize(std::span<const float> w, std::size_t rows, std::size_t cols,
                       Nf4Decision decision, std::span<std::uint8_t> codes,
                       std::span<float> absmax) {
  const Nf4Status status = nf4_check_blocks(rows, cols, w.size(), codes.size(), absmax.size());
  if (status != Nf4Status::ok) return {status};
  for (std::size_t i = 0; i < w.size(); ++i) {
    if (!std::isfinite(w[i])) return {Nf4Status::non_finite, i};
  }
  for (std::size_t b = 0; b < absmax.size(); ++b) {
    quantize_block(&w[b * kNf4Block], decision, &codes[b * kNf4Block], absmax[b]);
  }
  return {};
}

Nf4Result nf4_dequantize(std::span<const std::uint8_t> codes, std::span<const float> absmax,
                         std::size_t rows, std::size_t cols, std::span<float> out) {
  const Nf4Status status = nf4_check_blocks(rows, cols, out.size(), codes.size(), absmax.size());
  if (status != Nf4Status::ok) return {status};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = kNf4Codebook[codes[i] & 15] * absmax[i / kNf4Block];
  return {};
}

Nf4Result nf4_pack(std::span<const std::uint8_t> codes, std::span<const float> absmax,
                   std::size_t rows, std::size_t cols, Nf4Layout layout,
                   std::span<std::uint8_t> packed) {
  Nf4Status status = nf4_check_blocks(rows, cols, codes.size(), codes.size(), absmax.size());
  if (status == Nf4Status::ok) status = nf4_check_packed(rows, cols, packed.size());
  if (status != Nf4Status::ok) return {status};
  const int first_shift = layout == Nf4Layout::first_low ? 0 : 4;
  for (std::size_t b = 0; b < absmax.size(); ++b) {
    std::uint8_t* block = &packed[b * kNf4BlockBytes];
    nf4_store_scale(absmax[b], block);
    for (std::size_t i = 0; i < kNf4Block; i += 2) {
      const int first = codes[b * kNf4Block + i] & 15;
      const int second = codes[b * kNf4Block + i + 1] & 15;
      block[4 + i / 2] =
          static_cast<std::uint8_t>(first << first_shift | second << (4 - first_shift));
    }
  }
  return {};
}

Nf4Result nf4_unpack(std::span<const std::uint8_t> packed, std::size_t rows, std::size_t cols,
                     Nf4Layout layout, std::span<std::uint8_t> codes, std::span<float> absmax) {
  Nf4Status status = nf4_check_blocks(rows, cols, codes.size(), codes.size(), absmax.size());
  if (status == Nf4Status::ok) status = nf4_check_packed(rows, cols, packed.size());
  if (status != Nf4Status::ok) return {status};
  const int first_shift = layout == Nf4Layout::first_low ? 0 : 4;
  for (std::size_t b = 0; b < absmax.size(); ++b) {
    const std::uint8_t* block = &packed[b * kNf4BlockBytes];
    absmax[b] = nf4_load_scale(block);
    for (std::size_t i = 0; i < kNf4Block; i += 2) {
      codes[b * kNf4Block + i] = block[4 + i / 2] >> first_shift & 15;
      codes[b * kNf4Block + i + 1] = block[4 + i / 2] >> (4 - first_shift) & 15;
    }
  }
  return {};
}

Nf4Result nf4_gemm(std::span<const float> a, std::span<const std::uint8_t> packed, std::size_t m,
                   std::size_t n, std::size_t k, Nf4Layout layout, std::span<float> c) {
  const Nf4Status status = nf4_check_gemm(a, packed, m, n, k, c);
  if (status != Nf4Status::ok) return {status};
  std::vector<float> row(k);
  for (std::size_t j = 0; j < n; ++j) {
    dequantize_row(packed.data() + j * nf4_packed_size(1, k), k, layout, row.data());
    for (std::size_t i = 0; i < m; ++i)
      c[i * n + j] = dot_in_lanes(a.data() + i * k, row.data(), k);
  }
  return {};
}

Nf4Result naive_gemm(std::span<const float> a, std::span<const float> b, std::size_t m,
                     std::size_t n, std::size_t k, std::span<float> c) {
  const bool fits = nf4_is_product(a.size(), m, k) && nf4_is_product(b.size(), n, k) &&
                    nf4_is_product(c.size(), m, n);
  if (!fits) return {Nf4Status::size_mismatch};
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      float sum = 0.0f;
      for (std::size_t t = 0; t < k; ++t) sum += a[i * k + t] * b[j * k + t];
      c[i * n + j] = sum;
    }
  }
  return {};
}

}  // namespace refute::kernels::cpu_scalar
