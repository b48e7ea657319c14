#include "harness/metrics/acceptance_format.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace refute::metrics {
namespace {

struct Shape {
  int precision;   ///< significant bits
  int least;       ///< exponent of the smallest subnormal, 2^least
  double largest;  ///< largest finite value
};

constexpr Shape shape(Format f) {
  switch (f) {
    case Format::f32:
      return {24, -149, 0x1.fffffep127};
    case Format::f16:
      return {11, -24, 65504.0};
    case Format::bf16:
      return {8, -133, 0x1.fep127};
  }
  return {};
}

/// 2^e for an exponent in the range of normal f64.
double power_of_two(int e) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52);
}

/// log2 of the distance between the format's neighbours at a finite x.
int spacing(const Shape& s, double x) {
  const int exponent = static_cast<int>(std::bit_cast<std::uint64_t>(x) >> 52 & 0x7FF) - 1023;
  return std::max(exponent - (s.precision - 1), s.least);
}

/// x to the nearest multiple of 2^e: added to a number whose own neighbours are that far apart, it
/// is rounded by the addition.
double to_multiple(double x, int e) {
  const double shift = 1.5 * power_of_two(52 + e);
  return std::copysign((x + shift) - shift, x);
}

double within_range(const Shape& s, double value, double x) {
  if (std::abs(value) <= s.largest) return value;
  return std::copysign(std::numeric_limits<double>::infinity(), x);
}

/// So large that rounding cannot bring it back, and that to_multiple would not be exact.
bool beyond(const Shape& s, double x) {
  return std::abs(x) >= 2 * s.largest;
}

}  // namespace

double unit_roundoff(Format f) {
  return power_of_two(-shape(f).precision);
}
double half_smallest(Format f) {
  return power_of_two(shape(f).least - 1);
}

double nearest(Format f, double x) {
  const Shape s = shape(f);
  if (std::isnan(x)) return x;
  if (beyond(s, x)) return within_range(s, x, x);
  return within_range(s, to_multiple(x, spacing(s, x)), x);
}

double truncated(Format f, double x) {
  const Shape s = shape(f);
  if (!std::isfinite(x)) return x;
  if (std::abs(x) >= s.largest) return std::copysign(s.largest, x);
  const int e = spacing(s, x);
  const double value = to_multiple(x, e);
  return std::abs(value) <= std::abs(x) ? value : value - std::copysign(power_of_two(e), x);
}

double half_step_towards(Format f, double value, double target) {
  const Shape s = shape(f);
  const int e = spacing(s, value);
  const bool inward = value != 0 && (target < value) == (value > 0);
  const bool power = (std::bit_cast<std::uint64_t>(value) & 0xFFFFFFFFFFFFFu) == 0;
  // Below a power of two, neighbours are half as far apart.
  return power_of_two(inward && power && e > s.least ? e - 2 : e - 1);
}

}  // namespace refute::metrics
