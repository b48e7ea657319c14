#include "kernels/cpu/ggml_entry.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace refute::kernels::ggml_detail {
namespace {

constexpr std::size_t kLargestTileBytes = 2 * kTile;  // binary16 and bfloat16

void round_trip(const Kernels& kernels, GgmlFormat format, const float* x, float* y,
                std::size_t blocks) {
  if (kernels.round_trip != nullptr) {
    if (const RoundTrip direct = kernels.round_trip(format)) return direct(x, y, blocks);
  }
  std::array<std::uint8_t, kLargestTileBytes> bytes;
  const BlockCodec& codec = kernels.codec(format);
  codec.quantize(x, bytes.data(), blocks);
  codec.dequantize(bytes.data(), y, blocks);
}

double total(const RunSums::Lanes& l) {
  return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
}

GgmlRunError error_of(const RunSums& s) {
  return {.sum_d2 = total(s.d2),
          .sum_x2 = total(s.x2),
          .sum_y2 = total(s.y2),
          .sum_xy = total(s.xy),
          .max_abs = s.max_abs,
          .max_index = s.max_index};
}

}  // namespace

void compare_run(const float* x, const float* y, std::size_t count, std::size_t at, RunSums& sums) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t lane = i % kErrorLanes;
    const float difference = x[i] - y[i];
    const double d = difference, xi = x[i], yi = y[i];
    sums.d2[lane] += d * d;
    sums.x2[lane] += xi * xi;
    sums.y2[lane] += yi * yi;
    sums.xy[lane] += xi * yi;
    // A NaN must not hide: it counts as the largest error there is.
    const float magnitude =
        std::isnan(difference) ? std::numeric_limits<float>::infinity() : std::fabs(difference);
    if (magnitude > sums.max_abs) {
      sums.max_abs = magnitude;
      sums.max_index = at + i;
    }
  }
}

GgmlResult quantize(const Kernels& kernels, GgmlFormat format, std::span<const float> in,
                    std::span<std::uint8_t> out) {
  if (ggml_bytes(format, in.size()) != out.size()) return {GgmlStatus::size_mismatch};
  const std::size_t bad = kernels.first_non_finite(in);
  if (bad != in.size()) return {GgmlStatus::non_finite, bad};
  kernels.codec(format).quantize(in.data(), out.data(), in.size() / ggml_info(format).block_size);
  return {};
}

GgmlResult dequantize(const Kernels& kernels, GgmlFormat format, std::span<const std::uint8_t> in,
                      std::span<float> out) {
  if (ggml_bytes(format, out.size()) != in.size()) return {GgmlStatus::size_mismatch};
  kernels.codec(format).dequantize(in.data(), out.data(),
                                   out.size() / ggml_info(format).block_size);
  return {};
}

GgmlResult quantize_error(const Kernels& kernels, GgmlFormat format, std::span<const float> in,
                          std::size_t run, std::span<GgmlRunError> out) {
  const std::size_t block = ggml_info(format).block_size;
  if (run == 0 || run % block != 0 || in.size() % block != 0) return {GgmlStatus::size_mismatch};
  if (out.size() != in.size() / run + (in.size() % run != 0)) return {GgmlStatus::size_mismatch};
  alignas(64) std::array<float, kTile> y;
  for (std::size_t r = 0; r < out.size(); ++r) {
    const auto x = in.subspan(r * run, std::min(run, in.size() - r * run));
    RunSums sums;
    for (std::size_t at = 0; at < x.size(); at += kTile) {
      const auto tile = x.subspan(at, std::min(kTile, x.size() - at));
      const std::size_t bad = kernels.first_non_finite(tile);
      if (bad != tile.size()) return {GgmlStatus::non_finite, r * run + at + bad};
      round_trip(kernels, format, tile.data(), y.data(), tile.size() / block);
      kernels.compare(tile.data(), y.data(), tile.size(), at, sums);
    }
    out[r] = error_of(sums);
  }
  return {};
}

}  // namespace refute::kernels::ggml_detail
