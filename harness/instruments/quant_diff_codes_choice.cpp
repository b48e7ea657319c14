#include "harness/instruments/quant_diff_codes_choice.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/ggml_grid.hpp"

namespace refute::instruments {
namespace {

using namespace kernels;
using Values = std::span<const float>;
constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// Scale and minimum before they were rounded to binary16.
struct Unrounded {
  double step = 0, zero = 0;
};

Unrounded unrounded(GgmlFormat format, Values x) {
  const auto [low, high] = std::ranges::minmax(x);
  const double peak = std::max(std::fabs(low), std::fabs(high)), range = double{high} - low;
  switch (format) {
    case GgmlFormat::q4_0:
      return {peak / 8, 0};
    case GgmlFormat::q5_0:
      return {peak / 16, 0};
    case GgmlFormat::q8_0:
      return {peak / 127, 0};
    case GgmlFormat::q4_1:
      return {range / 15, low};
    case GgmlFormat::q5_1:
      return {range / 31, low};
    case GgmlFormat::f16:
    case GgmlFormat::bf16:
    case GgmlFormat::q2_k:
    case GgmlFormat::q3_k:
    case GgmlFormat::q4_k:
    case GgmlFormat::q5_k:
    case GgmlFormat::q6_k:
    case GgmlFormat::iq4_nl:
    case GgmlFormat::mxfp4:
      return {};
  }
  return {};
}

/// f32 rounds a quotient of up to 128 by less than 2^-17; ways to divide differ by a few of these.
constexpr double kTie = 0x1p-13;

bool midway(const Unrounded& exact, const GgmlGrid& stored, double x, double y, double expected) {
  if (!(exact.step > 0) || !(stored.step > 0)) return false;
  if (std::fabs(y - expected) > 1.5 * stored.step) return false;
  const double middle = (0.5 * (y + expected) - stored.zero) / stored.step;
  return std::fabs(x - (exact.zero + middle * exact.step)) <= kTie * exact.step;
}

/// Where a value has to lie so that its code is the nearest one, infinite at the ends of the range.
struct Cell {
  double low = -kInfinite, high = kInfinite;
};

Cell cell_of(const GgmlGrid& grid, double y) {
  const double half = 0.5 * grid.step, edge = 1e-3 * grid.step;
  Cell cell;
  if (y > grid.low + half) cell.low = y - half - edge;
  if (y < grid.high - half) cell.high = y + half + edge;
  return cell;
}

Cell cell_of(std::span<const float> levels, float y) {
  const auto [first, last] = std::ranges::equal_range(levels, y);
  const double edge = 1e-3 * (double{levels.back()} - levels.front()) / 16;
  Cell cell;
  if (first != levels.begin()) cell.low = 0.5 * (double{y} + *(first - 1)) - edge;
  if (last != levels.end()) cell.high = 0.5 * (double{y} + *last) + edge;
  return cell;
}

/// One block: cells, values (both from its zero on), and how far the zero may move.
struct Fit {
  std::array<Cell, 32> cells = {};
  std::array<double, 32> x = {};
  double shift = 0;

  /// How far scaling by `a` misses the cells; at most 0 where it does not. Convex in `a`.
  double miss(double a) const {
    double low = -kInfinite, high = kInfinite;
    for (std::size_t i = 0; i < x.size(); ++i) {
      low = std::max(low, cells[i].low - a * x[i]);
      high = std::min(high, cells[i].high - a * x[i]);
    }
    return std::max({low - high, low - shift, -high - shift});
  }
};

constexpr double kLeast = 0.75, kMost = 4.0 / 3;

/// Where the zero stands: each value leaves an interval of scales.
bool one_scale_fits(const Fit& fit) {
  double from = kLeast, to = kMost;
  for (std::size_t i = 0; i < fit.x.size(); ++i) {
    const double x = fit.x[i];
    const Cell& cell = fit.cells[i];
    if (x == 0 && !(cell.low <= 0 && cell.high >= 0)) return false;
    if (x == 0) continue;
    from = std::max(from, (x > 0 ? cell.low : cell.high) / x);
    to = std::min(to, (x > 0 ? cell.high : cell.low) / x);
    if (from > to) return false;
  }
  return true;
}

/// Convex: thirds of the interval close in on the least miss.
bool scale_and_zero_fit(const Fit& fit) {
  double from = kLeast, to = kMost;
  for (int i = 0; i < 48; ++i) {
    const double a = from + (to - from) / 3, b = to - (to - from) / 3;
    const double at_a = fit.miss(a), at_b = fit.miss(b);
    if (at_a <= 0 || at_b <= 0) return true;
    (at_a < at_b ? to : from) = at_a < at_b ? b : a;
  }
  return false;
}

}  // namespace

std::size_t scale_bytes(GgmlFormat format) {
  switch (format) {
    case GgmlFormat::q4_0:
    case GgmlFormat::q5_0:
    case GgmlFormat::q8_0:
    case GgmlFormat::iq4_nl:
      return 2;
    case GgmlFormat::q4_1:
    case GgmlFormat::q5_1:
      return 4;
    case GgmlFormat::mxfp4:
      return 1;
    case GgmlFormat::f16:
    case GgmlFormat::bf16:
    case GgmlFormat::q2_k:
    case GgmlFormat::q3_k:
    case GgmlFormat::q4_k:
    case GgmlFormat::q5_k:
    case GgmlFormat::q6_k:
      return 0;
  }
  return 0;
}

bool only_ties(GgmlFormat format, const std::uint8_t* block, Values x, Values y, Values expected) {
  const Unrounded exact = unrounded(format, x);
  const GgmlGrid stored = exact.step > 0 ? ggml_grids(format, block).grid[0] : GgmlGrid{};
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (y[i] == expected[i]) continue;
    const double error = std::fabs(double{x[i]} - y[i]);
    if (error <= std::fabs(double{x[i]} - expected[i])) continue;
    if (!midway(exact, stored, x[i], y[i], expected[i])) return false;
  }
  return true;
}

bool one_scale_explains(GgmlFormat format, const std::uint8_t* block, Values x, Values y) {
  Fit fit;
  // A power of two cannot be refitted.
  if (scale_bytes(format) <= 1 || x.size() != fit.x.size()) return false;
  const bool table = ggml_has_levels(format);
  const GgmlGrid grid = table ? GgmlGrid{} : ggml_grids(format, block).grid[0];
  const auto levels = table ? ggml_levels(format, block) : std::array<float, 16>{};
  if (!table && !(grid.step > 0)) return false;
  const double zero = scale_bytes(format) == 4 ? grid.zero : 0;
  fit.shift = scale_bytes(format) == 4 ? 0.5 * grid.step : 0;
  for (std::size_t i = 0; i < fit.x.size(); ++i) {
    fit.x[i] = x[i] - zero;
    fit.cells[i] = table ? cell_of(levels, y[i]) : cell_of(grid, y[i]);
    fit.cells[i].low -= zero;
    fit.cells[i].high -= zero;
  }
  return fit.shift == 0 ? one_scale_fits(fit) : scale_and_zero_fit(fit);
}

}  // namespace refute::instruments
