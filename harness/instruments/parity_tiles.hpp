#pragma once

// Which tile of keys an error of one output row looks like.

#include <cstddef>
#include <optional>
#include <span>

#include "harness/instruments/parity.hpp"

namespace refute::instruments {

struct TileShare {
  std::size_t tile = 0;  ///< keys [tile·kParityTile, (tile + 1)·kParityTile)
  double share = 0;      ///< of the error's square that it explains
};

/// A wrong weight of tile t moves the row along c_t = Σ_{j in t} p_j·(v_j - out), whatever the
/// weight became: so the tile is the one whose c_t is most nearly parallel to the error, and the
/// share is the squared cosine between them. `row` counts over batch, heads and queries; `error`
/// has head_dim elements. Nothing for a row without keys, with no error, or with one that is not
/// finite.
std::optional<TileShare> explaining_tile(const kernels::AttentionCall& call,
                                         const ParityInputs& inputs, std::size_t row,
                                         std::span<const double> error);

}  // namespace refute::instruments
