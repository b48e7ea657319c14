#pragma once

// Rows told from each other by a few sums, so that each of thousands finds its counterpart without
// comparing all with all.

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace refute::instruments {

/// Sums of a row under as many patterns of signs.
using Sketch = std::array<float, 8>;

struct RowSketch {
  Sketch sums;
  std::size_t row;
};

/// The patterns, for rows of `cols` values. Always the same ones.
class SketchSigns {
 public:
  explicit SketchSigns(std::size_t cols);
  Sketch sketch(std::span<const float> row) const;

 private:
  std::vector<Sketch> signs_;  ///< of each column, one of each pattern
};

/// By their first sum, as nearest_row wants them.
void sort_sketches(std::vector<RowSketch>& sketches);

/// The row whose sums are the nearest to these. `sorted`: not empty.
std::size_t nearest_row(std::span<const RowSketch> sorted, const Sketch& sums);

}  // namespace refute::instruments
