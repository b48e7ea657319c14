// FP8 codes under their scales.

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/instruments/quant_diff_faults.hpp"
#include "kernels/fp8.hpp"

namespace refute::instruments {
namespace {

using kernels::Fp8Format;

/// The finite values of a format, ascending; zero once.
std::vector<float> levels_of(Fp8Format format) {
  std::array<std::uint8_t, 256> codes;
  for (std::size_t c = 0; c < codes.size(); ++c) codes[c] = static_cast<std::uint8_t>(c);
  std::vector<float> levels(codes.size());
  kernels::cpu_scalar::fp8_decode(codes, levels, format);
  std::erase_if(levels, [](float v) { return !std::isfinite(v); });
  std::ranges::sort(levels);
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  return levels;
}

/// What a correct code leaves at most: half a step of its binade, or of the subnormals.
struct Fp8Bound {
  float relative, least;
};

constexpr Fp8Bound bound_of(Fp8Format format) {
  return format == Fp8Format::e4m3 ? Fp8Bound{0x1p-4f, 0x1p-10f} : Fp8Bound{0x1p-3f, 0x1p-17f};
}

/// Quotient and product round once each.
constexpr float kRoundings = 1.0f + 0x1p-18f;

/// Which scale serves a value, by its place in the flattened tensor.
struct ScaleGrid {
  std::size_t cols, block_rows, block_cols, across;

  ScaleGrid(const tensor::ModelTensor& t, const tensor::ScaledFp8& type)
      : cols(std::max<std::size_t>(1, t.cols())),
        block_rows(type.block_rows),
        block_cols(type.block_cols),
        across((cols + type.block_cols - 1) / type.block_cols) {}

  std::size_t block(std::size_t index) const {
    return index / cols / block_rows * across + index % cols / block_cols;
  }
  std::size_t element(std::size_t index) const {
    const std::size_t width = std::min(block_cols, cols);
    return index / cols % block_rows * width + index % cols % block_cols;
  }
};

}  // namespace

CodeCheck check_fp8(const tensor::ModelTensor& other, const tensor::ScaledFp8& type,
                    std::size_t first, std::span<const float> x, std::span<const float> y) {
  const std::vector<float> levels = levels_of(type.format);
  const Fp8Bound bound = bound_of(type.format);
  const ScaleGrid grid(other, type);
  CodeCheck check{.elements = x.size()};
  std::size_t block = static_cast<std::size_t>(-1);
  float scale = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t of = grid.block(first + i);
    if (of != block) {
      block = of;
      scale = companion_value(other.scales, block);
      ++check.blocks;
    }
    const float error = std::fabs(x[i] - y[i]);
    // A code is within half its own step, which is a sixteenth or an eighth of it at most.
    if (error <= 0.5f * bound.relative * std::fabs(y[i])) continue;
    CodeFault fault{.index = first + i,
                    .block = block,
                    .element = grid.element(first + i),
                    .reference = x[i],
                    .value = y[i],
                    .error = error,
                    .limit = (bound.relative * std::fabs(x[i]) + bound.least * scale) * kRoundings};
    if (!(error <= fault.limit)) note_over_bound(check, fault);
    if (!(scale > 0)) continue;
    const float beyond = beyond_middle(levels, x[i] / scale, y[i] / scale) * scale;
    const float slack = std::fabs(x[i]) * 0x1p-20f;
    if (beyond <= slack) continue;
    fault.limit = std::max(0.0f, error - beyond + slack);
    note_not_nearest(check, fault);
  }
  return check;
}

}  // namespace refute::instruments
