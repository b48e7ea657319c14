#pragma once

// Stages that work element by element or row by row: norms, rotation, activation, sums.

#include <cstddef>
#include <span>
#include <vector>

#include "harness/instruments/bisect/stage_truth.hpp"

namespace refute::bisect {

/// The output's own rounding, on top of a bound on what was rounded: u·(|value| + bound), and half
/// of the smallest subnormal.
void add_output_rounding(StageTruth& truth, const Arithmetic& arithmetic);

/// Values that are copied, not computed: exact where they fit the storage.
StageTruth copied_truth(std::span<const float> x, const Arithmetic& arithmetic);

/// weight · x / √(mean(x²) + epsilon), per row of weight.size() values.
StageTruth norm_truth(std::span<const float> x, std::span<const float> weight, double epsilon,
                      const Arithmetic& arithmetic);

/// The parts of the bias lie side by side in each row.
StageTruth bias_truth(std::span<const float> x, const std::vector<std::span<const float>>& parts,
                      const Arithmetic& arithmetic);
StageTruth add_truth(std::span<const float> a, std::span<const float> b,
                     const Arithmetic& arithmetic);
StageTruth multiply_truth(std::span<const float> a, std::span<const float> b,
                          const Arithmetic& arithmetic);
StageTruth silu_truth(std::span<const float> x, const Arithmetic& arithmetic);

struct Positions {
  std::size_t past, tokens, heads;
  const std::vector<double>& frequencies;  ///< radians per position, one per pair
};
/// x and the output are [tokens, heads, 2 pairs]. The bound allows angles that were computed in
/// the accumulator's precision, as most engines do.
StageTruth rope_truth(std::span<const float> x, const Positions& at, const Arithmetic& arithmetic);

}  // namespace refute::bisect
