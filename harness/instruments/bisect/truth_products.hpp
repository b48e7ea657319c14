#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "harness/instruments/bisect/stage_truth.hpp"

namespace refute::bisect {

/// x [rows, inputs] times the transposed weights [outputs, inputs], whose outputs lie side by side.
StageTruth product_truth(std::span<const float> x, std::size_t rows,
                         const std::vector<std::span<const float>>& weights,
                         const Arithmetic& arithmetic, unsigned threads);

}  // namespace refute::bisect
