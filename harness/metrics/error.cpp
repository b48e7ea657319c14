#include "harness/metrics/error.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "harness/metrics/lanes.hpp"

namespace refute::metrics {
namespace {

struct Sums {
  double error2 = 0, got2 = 0, reference2 = 0, product = 0, max_abs = 0;
};

Sums accumulate(std::span<const float> got, std::span<const float> reference) {
  LaneSums error2{}, got2{}, reference2{}, product{}, max_abs{};
  for_each_in_lanes(got.size(), [&](std::size_t i, std::size_t lane) {
    const double g = got[i];
    const double r = reference[i];
    const double e = g - r;
    error2[lane] += e * e;
    got2[lane] += g * g;
    reference2[lane] += r * r;
    product[lane] += g * r;
    max_abs[lane] = std::max(max_abs[lane], std::fabs(e));
  });
  return {fold(error2), fold(got2), fold(reference2), fold(product),
          *std::ranges::max_element(max_abs)};
}

std::size_t index_of_error(std::span<const float> got, std::span<const float> reference,
                           double error) {
  std::size_t i = 0;
  while (i < got.size() && std::fabs(double{got[i]} - double{reference[i]}) != error) ++i;
  return i;
}

/// √(a / b) where 0 / 0 means that both sides are zero, which is `equal`.
Metric root_ratio(double a, double b, double equal) {
  if (b != 0) return std::sqrt(a / b);
  return a == 0 ? Metric(equal) : Metric(Undefined::zero_reference);
}

Metric cosine_of(const Sums& s) {
  if (s.got2 == 0 && s.reference2 == 0) return 1.0;
  if (s.got2 == 0 || s.reference2 == 0) return Undefined::zero_reference;
  return std::clamp(s.product / std::sqrt(s.got2 * s.reference2), -1.0, 1.0);
}

Metric sqnr_of(const Sums& s) {
  if (s.error2 == 0) return Undefined::no_error;
  if (s.reference2 == 0) return Undefined::zero_reference;
  return 10 * std::log10(s.reference2 / s.error2);
}

void set_all(ErrorReport& report, Undefined reason) {
  for (Metric* metric : {&report.relative_frobenius, &report.rmse, &report.cosine, &report.max_abs,
                         &report.sqnr_db, &report.norm_ratio}) {
    *metric = reason;
  }
}

/// Relative error of one group alone: two sums instead of five.
Metric group_error(std::span<const float> got, std::span<const float> reference) {
  LaneSums error2{}, reference2{};
  for_each_in_lanes(got.size(), [&](std::size_t i, std::size_t lane) {
    const double r = reference[i];
    const double e = double{got[i]} - r;
    error2[lane] += e * e;
    reference2[lane] += r * r;
  });
  const double error = fold(error2);
  const double norm = fold(reference2);
  if (!std::isfinite(error) || !std::isfinite(norm)) return Undefined::non_finite;
  return root_ratio(error, norm, 0.0);
}

void take_in(GroupReport& report, std::size_t group, Metric metric) {
  if (report.groups++ == 0) {
    report.worst = report.best = metric;
    report.worst_group = report.best_group = group;
    return;
  }
  const bool worst_stands = !report.worst.defined() || metric.at_most(report.worst.value());
  if (!worst_stands) {
    report.worst = metric;
    report.worst_group = group;
  }
  if (metric.defined() && !(report.best.defined() && report.best.at_most(metric.value()))) {
    report.best = metric;
    report.best_group = group;
  }
}

bool shape_fits(std::size_t got, std::size_t reference, std::size_t rows, std::size_t cols) {
  if (cols != 0 && rows > got / cols) return false;
  return got == reference && got == rows * cols;
}

/// Maps floats to integers so that neighbours differ by one and both zeros are 0.
std::int64_t ordinal(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto magnitude = static_cast<std::int64_t>(bits & 0x7FFFFFFFu);
  return bits >> 31 != 0 ? -magnitude : magnitude;
}

}  // namespace

ErrorReport measure(std::span<const float> got, std::span<const float> reference) {
  ErrorReport report;
  report.count = reference.size();
  report.got = census(got);
  report.reference = census(reference);
  if (got.size() != reference.size()) {
    report.mask_mismatch = first_mask_mismatch(got, reference);
    set_all(report, Undefined::size_mismatch);
    return report;
  }
  if (!report.got.all_finite() || !report.reference.all_finite()) {
    report.mask_mismatch = first_mask_mismatch(got, reference);
    set_all(report, Undefined::non_finite);
    return report;
  }
  if (got.empty()) return report;
  const Sums s = accumulate(got, reference);
  report.relative_frobenius = root_ratio(s.error2, s.reference2, 0.0);
  report.rmse = std::sqrt(s.error2 / static_cast<double>(got.size()));
  report.cosine = cosine_of(s);
  report.max_abs = s.max_abs;
  report.max_abs_index = index_of_error(got, reference, s.max_abs);
  report.sqnr_db = sqnr_of(s);
  report.norm_ratio = root_ratio(s.got2, s.reference2, 1.0);
  return report;
}

GroupReport worst_row(std::span<const float> got, std::span<const float> reference,
                      std::size_t rows, std::size_t cols) {
  return worst_block(got, reference, rows, cols, cols);
}

GroupReport worst_block(std::span<const float> got, std::span<const float> reference,
                        std::size_t rows, std::size_t cols, std::size_t block) {
  GroupReport report;
  const bool empty = rows == 0 || cols == 0;
  if (!shape_fits(got.size(), reference.size(), rows, cols) || (block == 0 && !empty)) {
    report.worst = report.best = Undefined::size_mismatch;
    return report;
  }
  for (std::size_t row = 0; !empty && row < rows; ++row) {
    for (std::size_t begin = 0; begin < cols; begin += block) {
      const std::size_t length = std::min(block, cols - begin);
      const std::size_t at = row * cols + begin;
      take_in(report, report.groups,
              group_error(got.subspan(at, length), reference.subspan(at, length)));
    }
  }
  return report;
}

std::uint64_t ulp_distance(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return kUlpNan;
  const std::int64_t difference = ordinal(a) - ordinal(b);
  return static_cast<std::uint64_t>(difference < 0 ? -difference : difference);
}

}  // namespace refute::metrics
