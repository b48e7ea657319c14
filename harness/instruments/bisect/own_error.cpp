#include "harness/instruments/bisect/own_error.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "harness/metrics/error.hpp"

namespace refute::bisect {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double ratio_of(double error, double bound) {
  if (error <= bound) return bound == 0 ? 0 : error / bound;
  return std::isnan(error) || bound == 0 ? kInfinity : error / bound;
}

double value_or(metrics::Metric m, double otherwise) {
  return m.defined() ? m.value() : otherwise;
}

}  // namespace

OwnError own_error(std::span<const float> got, const StageTruth& truth, std::size_t rows) {
  assert(got.size() == truth.value.size());
  OwnError e;
  e.count = got.size();
  e.rows = rows;
  std::vector<bool> wrong_rows(rows), wrong_columns(e.columns());
  double errors = 0, values = 0, bounds = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double want = truth.value[i], bound = truth.bound[i];
    const double error = std::abs(got[i] - want);
    const bool finite = std::isfinite(got[i]);
    // A truth that the storage cannot hold is no fault of whoever made infinity of it.
    const bool overflows = !(std::abs(want) <= std::numeric_limits<float>::max());
    const double ratio = overflows ? 0 : finite ? ratio_of(error, bound) : kInfinity;
    e.non_finite += finite ? 0 : 1;
    if (!(ratio <= 1)) {
      ++e.beyond;
      wrong_rows[i / e.columns()] = wrong_columns[i % e.columns()] = true;
    }
    if (finite && !overflows) {
      errors += error * error;
      values += want * want;
      bounds += bound * bound;
    }
    if (i != 0 && ratio <= e.ratio) continue;
    e.ratio = ratio;
    e.worst = i;
    e.got = got[i];
    e.want = want;
    e.bound = bound;
  }
  const auto count_of = [](const std::vector<bool>& v) {
    return static_cast<std::size_t>(std::ranges::count(v, true));
  };
  e.beyond_rows = count_of(wrong_rows);
  e.beyond_columns = count_of(wrong_columns);
  e.relative = values == 0 ? (errors == 0 ? 0 : kInfinity) : std::sqrt(errors / values);
  e.floor = values == 0 ? 0 : std::sqrt(bounds / values);
  return e;
}

std::size_t rows_of(Stage stage, const DecoderConfig& config, std::size_t tokens) {
  if (stage == Stage::lm_head) return 1;
  const bool by_head = stage == Stage::attn_scores || stage == Stage::attn_softmax;
  return by_head ? config.heads * tokens : tokens;
}

bool all_finite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
}

Distance distance(std::span<const float> a, std::span<const float> b, std::size_t rows) {
  const metrics::ErrorReport r = metrics::measure(a, b);
  const metrics::GroupReport by_row = metrics::worst_row(a, b, rows, a.size() / rows);
  Distance d;
  d.relative = value_or(r.relative_frobenius, kInfinity);
  d.rms = value_or(r.rmse, kInfinity);
  d.norm_ratio = value_or(r.norm_ratio, kInfinity);
  d.cosine = value_or(r.cosine, 0);
  d.worst_row = value_or(by_row.worst, kInfinity);
  d.worst_row_index = by_row.worst_group;
  d.non_finite = r.got.nan + r.got.positive_infinity + r.got.negative_infinity;
  d.bitwise = std::ranges::equal(a, b, [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
  return d;
}

}  // namespace refute::bisect
