#include "harness/instruments/quant_diff_cause_sketch.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace refute::instruments {
namespace {

std::uint64_t mixed(std::uint64_t x) {  // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

float distance(const Sketch& a, const Sketch& b) {
  float sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

float first_sum(const RowSketch& sketch) {
  return sketch.sums[0];
}

}  // namespace

SketchSigns::SketchSigns(std::size_t cols) : signs_(cols) {
  for (std::size_t i = 0; i < cols; ++i) {
    const std::uint64_t bits = mixed(i + 0x9E3779B97F4A7C15u);
    for (std::size_t k = 0; k < signs_[i].size(); ++k) signs_[i][k] = bits >> k & 1 ? 1.0f : -1.0f;
  }
}

Sketch SketchSigns::sketch(std::span<const float> row) const {
  Sketch sums = {};
  for (std::size_t i = 0; i < row.size(); ++i)
    for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += signs_[i][k] * row[i];
  return sums;
}

void sort_sketches(std::vector<RowSketch>& sketches) {
  std::ranges::sort(sketches, {}, first_sum);
}

/// Outwards from where its first sum would stand, as far as that alone does not rule the rest out.
std::size_t nearest_row(std::span<const RowSketch> sorted, const Sketch& sums) {
  const auto middle = std::ranges::lower_bound(sorted, sums[0], {}, first_sum);
  float least = std::numeric_limits<float>::infinity();
  std::size_t row = sorted.front().row;
  const auto may_be_nearer = [&](const RowSketch& at) {
    const float off = at.sums[0] - sums[0];
    if (off * off > least) return false;
    if (const float d = distance(at.sums, sums); d < least) least = d, row = at.row;
    return true;
  };
  for (auto at = middle; at != sorted.end() && may_be_nearer(*at);) ++at;
  for (auto at = middle; at != sorted.begin() && may_be_nearer(*(at - 1));) --at;
  return row;
}

}  // namespace refute::instruments
