#include "kernels/ggml_grid.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/cpu/ggml_blocks.hpp"

namespace refute::kernels {
namespace {

using namespace ggml_detail;

/// Most that rounding to binary16 moves a scale by. What was rounded is not there any more, only
/// its rounded value; a little more than half a unit in the last place of that covers it.
float half_rounding(float d) {
  return std::max(std::fabs(d) * 0x1.01p-11f, 0x1p-25f);
}

/// Codes from `least` to `most`, times d, plus `zero`.
GgmlGrid grid(float d, int least, int most, float zero = 0) {
  const float a = d * static_cast<float>(least) + zero, b = d * static_cast<float>(most) + zero;
  return {.step = std::fabs(d), .low = std::min(a, b), .high = std::max(a, b), .zero = zero};
}

/// Formats that choose codes under the scale before it is rounded.
GgmlGrid rounded_later(GgmlGrid g) {
  g.slack_per_code = half_rounding(g.step);
  return g;
}

GgmlGrids one(GgmlGrid g) {
  GgmlGrids all{.count = 1, .values = kBlock};
  all.grid[0] = g;
  return all;
}

GgmlGrids affine(float d, float least, int top) {
  GgmlGrid g = rounded_later(grid(d, 0, top, least));
  g.slack = half_rounding(least);
  return one(g);
}

GgmlGrids q2_k(const std::uint8_t* y) {
  GgmlGrids all{.count = 16, .values = 16};
  const float d = load_half(y + Q2k::d), dmin = load_half(y + Q2k::dmin);
  for (std::size_t g = 0; g < all.count; ++g) {
    const std::uint8_t s = y[Q2k::scales + g];
    all.grid[g] = grid(d * static_cast<float>(s & 15), 0, 3, -dmin * static_cast<float>(s >> 4));
  }
  return all;
}

GgmlGrids q3_k(const std::uint8_t* y) {
  GgmlGrids all{.count = 16, .values = 16};
  const float d = load_half(y + Q3k::d);
  const auto scales = unpack_q3_scales(y + Q3k::scales);
  for (std::size_t g = 0; g < all.count; ++g) {
    all.grid[g] = grid(d * static_cast<float>(scales[g]), -4, 3);
  }
  return all;
}

GgmlGrids with_mins(const std::uint8_t* y, int top) {
  static_assert(Q4k::d == Q5k::d && Q4k::dmin == Q5k::dmin && Q4k::scales == Q5k::scales);
  GgmlGrids all{.count = 8, .values = 32};
  const float d = load_half(y + Q4k::d), dmin = load_half(y + Q4k::dmin);
  const ScaleMins s = unpack_scale_mins(y + Q4k::scales);
  for (std::size_t g = 0; g < all.count; ++g) {
    all.grid[g] = grid(d * s.scale[g], 0, top, -dmin * s.least[g]);
  }
  return all;
}

GgmlGrids q6_k(const std::uint8_t* y) {
  GgmlGrids all{.count = 16, .values = 16};
  const float d = load_half(y + Q6k::d);
  for (std::size_t g = 0; g < all.count; ++g) {
    const auto scale = static_cast<std::int8_t>(y[Q6k::scales + g]);
    all.grid[g] = grid(d * static_cast<float>(scale), -32, 31);
  }
  return all;
}

}  // namespace

GgmlGrids ggml_grids(GgmlFormat format, const std::uint8_t* block) {
  switch (format) {
    case GgmlFormat::q4_0:
      return one(rounded_later(grid(load_half(block), -8, 7)));
    case GgmlFormat::q5_0:
      return one(rounded_later(grid(load_half(block), -16, 15)));
    case GgmlFormat::q8_0:
      return one(rounded_later(grid(load_half(block), -128, 127)));
    case GgmlFormat::q4_1:
      return affine(load_half(block), load_half(block + 2), 15);
    case GgmlFormat::q5_1:
      return affine(load_half(block), load_half(block + 2), 31);
    case GgmlFormat::q2_k:
      return q2_k(block);
    case GgmlFormat::q3_k:
      return q3_k(block);
    case GgmlFormat::q4_k:
      return with_mins(block, 15);
    case GgmlFormat::q5_k:
      return with_mins(block, 31);
    case GgmlFormat::q6_k:
      return q6_k(block);
    case GgmlFormat::f16:
    case GgmlFormat::bf16:
    case GgmlFormat::iq4_nl:
    case GgmlFormat::mxfp4:
      return {};
  }
  return {};
}

std::array<float, 16> ggml_levels(GgmlFormat format, const std::uint8_t* block) {
  assert(ggml_has_levels(format));
  const bool mxfp4 = format == GgmlFormat::mxfp4;
  const auto& table = mxfp4 ? kMxfp4Values : kIq4NlValues;
  const float scale = mxfp4 ? e8m0_half(block[0]) : load_half(block);
  std::array<float, 16> levels;
  for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = scale * static_cast<float>(table[i]);
  std::ranges::sort(levels);
  return levels;
}

}  // namespace refute::kernels
