#pragma once

// A row of a diff as the cells of a table for people.

#include <array>
#include <string>

#include "harness/instruments/quant_diff.hpp"

namespace refute::instruments {

inline constexpr std::size_t kDiffColumns = 10;
using DiffCells = std::array<std::string, kDiffColumns>;

const DiffCells& diff_heading();

/// Names come fit to be shown; nothing is escaped for a markup.
DiffCells diff_cells(const DiffRow& row);

/// Numbers to the right, words to the left.
bool right_aligned(std::size_t column);

}  // namespace refute::instruments
