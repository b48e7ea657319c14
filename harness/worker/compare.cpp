#include "harness/worker/compare.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "harness/worker/clones.hpp"

namespace refute::worker {
namespace {

/// Floats in the order of their values: adjacent floats map to adjacent integers, -0.0 and +0.0 to
/// the same one.
std::int64_t ordinal(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto magnitude = static_cast<std::int64_t>(bits & 0x7fffffffu);
  return bits >> 31 ? -magnitude : magnitude;
}

std::string distance(float got, float want) {
  if (std::isnan(got) || std::isnan(want)) return "NaN on one side";
  return fmt::format("{} ULP apart", ulp_distance(got, want));
}

bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

bool same_bits_or_nan(float a, float b) {
  if (std::isnan(a) && std::isnan(b)) return std::signbit(a) == std::signbit(b);
  return same_bits(a, b);
}

/// How far an element is over its bound; NaN and a wrong infinity are infinitely far.
double excess(float got, double want, double bound) {
  if (std::isinf(want) || std::isinf(got)) {
    return static_cast<double>(got) == want ? 0 : std::numeric_limits<double>::infinity();
  }
  const double ratio = std::fabs(static_cast<double>(got) - want) / bound;
  return std::isnan(ratio)
             ? (static_cast<double>(got) == want ? 0 : std::numeric_limits<double>::infinity())
             : ratio;
}

/// NaN and infinity first: a mask that differs decides before any arithmetic does.
bool element_within(float got, double want, double bound) {
  if (std::isnan(got) || std::isnan(want)) return false;
  if (std::isinf(got) || std::isinf(want)) return static_cast<double>(got) == want;
  return std::fabs(static_cast<double>(got) - want) <= bound;
}

/// True if all finite elements are inside; false may also mean "look closer". Straight-line, so
/// that it vectorises.
REFUTE_CLONES bool all_within(const float* got, const double* want, const double* bound,
                              std::size_t n) {
  int outside = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double error = std::fabs(static_cast<double>(got[i]) - want[i]);
    outside |= !(error <= bound[i]) | !(error <= std::numeric_limits<double>::max());
  }
  return outside == 0;
}

}  // namespace

std::string Mismatch::sentence() const {
  if (!index) return detail;
  const std::string values = fmt::format("element {}: got {}, want {}", *index, got, want);
  return detail.empty() ? values : fmt::format("{} ({})", values, detail);
}

Value Mismatch::to_value() const {
  Value v;
  if (index) v.set("index", *index);
  v.set("got", got);
  v.set("want", want);
  v.set("detail", detail);
  return v;
}

bool Comparator::wrong_length(std::size_t got, std::size_t want) {
  comparisons_ += 1;
  mismatch_ = Mismatch{{},
                       fmt::format("{} elements", got),
                       fmt::format("{} elements", want),
                       fmt::format("{} elements where {} are wanted", got, want)};
  return false;
}

bool Comparator::bytes(std::span<const std::uint8_t> got, std::span<const std::uint8_t> want) {
  if (got.size() != want.size()) return wrong_length(got.size(), want.size());
  comparisons_ += got.size();
  if (got.empty()) return true;
  if (!negated_ && std::memcmp(got.data(), want.data(), got.size()) == 0) return true;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if ((got[i] == want[i]) != negated_) continue;
    mismatch_ = Mismatch{i, hex_bits(got[i]), hex_bits(want[i]), negated_ ? "negated: equal" : ""};
    return false;
  }
  return true;
}

bool Comparator::bits(std::span<const float> got, std::span<const float> want) {
  if (got.size() != want.size()) return wrong_length(got.size(), want.size());
  comparisons_ += got.size();
  if (got.empty()) return true;
  if (!negated_ && std::memcmp(got.data(), want.data(), got.size_bytes()) == 0) return true;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (same_bits(got[i], want[i]) != negated_) continue;
    mismatch_ = Mismatch{i, exact(got[i]), exact(want[i]), distance(got[i], want[i])};
    return false;
  }
  return true;
}

bool Comparator::bits_nan_by_class(std::span<const float> got, std::span<const float> want) {
  if (got.size() != want.size()) return wrong_length(got.size(), want.size());
  comparisons_ += got.size();
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (same_bits_or_nan(got[i], want[i]) != negated_) continue;
    mismatch_ = Mismatch{i, exact(got[i]), exact(want[i]), distance(got[i], want[i])};
    return false;
  }
  return true;
}

bool Comparator::within(std::span<const float> got, std::span<const double> want,
                        std::span<const double> bound) {
  if (got.size() != want.size()) return wrong_length(got.size(), want.size());
  if (bound.size() != want.size()) return wrong_length(bound.size(), want.size());
  comparisons_ += got.size();
  if (!negated_ && all_within(got.data(), want.data(), bound.data(), got.size())) return true;
  std::optional<std::size_t> first;
  std::size_t worst = 0;
  double worst_excess = -1;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (element_within(got[i], want[i], bound[i]) != negated_) continue;
    if (!first) first = i;
    const double e = excess(got[i], want[i], bound[i]);
    if (e > worst_excess) worst = i, worst_excess = e;
  }
  if (!first) return true;
  mismatch_ = Mismatch{
      *first, exact(got[*first]), hex_float(want[*first]),
      fmt::format(
          "error {:.3g} against a bound of {:.3g}; worst is element {} at {:.4g} times its bound",
          std::fabs(static_cast<double>(got[*first]) - want[*first]), bound[*first], worst,
          worst_excess)};
  return false;
}

bool Comparator::one(bool ok, std::string got, std::string want, std::string what) {
  comparisons_ += 1;
  if (ok != negated_) return true;
  mismatch_ = Mismatch{{}, std::move(got), std::move(want), std::move(what)};
  return false;
}

bool Comparator::in_band(double value, double low, double high, std::string_view what) {
  return one(value >= low && value <= high, hex_float(value),
             fmt::format("[{}, {}]", hex_float(low), hex_float(high)),
             fmt::format("{} is {:.6g}, band [{:.6g}, {:.6g}]", what, value, low, high));
}

bool Comparator::at_most(double value, double high, std::string_view what) {
  return one(value <= high, hex_float(value), fmt::format("<= {}", hex_float(high)),
             fmt::format("{} is {:.6g}, at most {:.6g}", what, value, high));
}

bool Comparator::at_least(double value, double low, std::string_view what) {
  return one(value >= low, hex_float(value), fmt::format(">= {}", hex_float(low)),
             fmt::format("{} is {:.6g}, at least {:.6g}", what, value, low));
}

bool Comparator::equal(std::uint64_t got, std::uint64_t want, std::string_view what) {
  return one(got == want, fmt::format("{}", got), fmt::format("{}", want),
             fmt::format("{} is {}, {} is wanted", what, got, want));
}

bool Comparator::holds(bool ok, std::string_view what) {
  return one(ok, ok ? "yes" : "no", "yes", fmt::format("{}: {}", what, ok ? "yes" : "no"));
}

std::uint64_t ulp_distance(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<std::uint64_t>::max();
  if (std::isinf(a) != std::isinf(b)) return std::numeric_limits<std::uint64_t>::max();
  const std::int64_t d = ordinal(a) - ordinal(b);
  return static_cast<std::uint64_t>(d < 0 ? -d : d);
}

std::string hex_bits(std::uint8_t byte) {
  return fmt::format("{:#04x}", byte);
}
std::string hex_bits(std::uint16_t word) {
  return fmt::format("{:#06x}", word);
}
std::string hex_bits(std::uint32_t word) {
  return fmt::format("{:#010x}", word);
}
std::string hex_float(double value) {
  return fmt::format("{:a}", value);
}

std::string exact(float value) {
  return fmt::format("{} [{}]", hex_float(value), hex_bits(std::bit_cast<std::uint32_t>(value)));
}

}  // namespace refute::worker
