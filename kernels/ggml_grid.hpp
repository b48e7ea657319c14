#pragma once

// What the codes of a stored block can stand for, read off its scales alone. A code that is not the
// one nearest to its value was not written by a quantiser; no norm and no bound on a block's
// largest error shows that of a single one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/ggml.hpp"

namespace refute::kernels {

inline constexpr std::size_t kMostGgmlGrids = 16;

/// The values that one scale (and minimum) serves: all between `low` and `high` in equal steps.
/// `slack_per_code` and `slack`: how much further than half a step a healthy value may be from its
/// code, because some formats choose codes before they round the scale to binary16; for a code
/// (value − zero)/step that is |code|·slack_per_code + slack.
struct GgmlGrid {
  float step = 0, low = 0, high = 0;
  float zero = 0;
  float slack_per_code = 0, slack = 0;
};

struct GgmlGrids {
  std::array<GgmlGrid, kMostGgmlGrids> grid = {};
  std::size_t count = 0;   ///< 0: the format has no scales, or a table (see ggml_levels)
  std::size_t values = 0;  ///< that each of them serves
};

/// Of one block of ggml_info(format).block_bytes.
GgmlGrids ggml_grids(GgmlFormat format, const std::uint8_t* block);

/// IQ4_NL and MXFP4: the 16 values of a block, ascending (MXFP4 has zero twice).
std::array<float, 16> ggml_levels(GgmlFormat format, const std::uint8_t* block);

constexpr bool ggml_has_levels(GgmlFormat format) {
  return format == GgmlFormat::iq4_nl || format == GgmlFormat::mxfp4;
}

}  // namespace refute::kernels
