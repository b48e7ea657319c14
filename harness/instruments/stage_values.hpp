#pragma once

// How far two tensors of one stage are apart: the same numbers for every reader of stage files.
// Pure.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/metrics/census.hpp"
#include "harness/metrics/metric.hpp"

namespace refute::instruments {

struct ValuePlace {
  std::size_t index = 0;
  float a = 0, b = 0;
  /// |b - a|; infinity where one of them is not finite.
  double distance() const;
  bool operator==(const ValuePlace&) const = default;
};

struct WorstStageRow {
  std::size_t row = 0;
  metrics::Metric relative_error = metrics::Undefined::empty;
};

/// A is the reference. Differences are rounded to f32 (a part in 2^24 of themselves), sums are in
/// f64 and in a fixed order, so that no figure depends on the number of threads. Where a value is
/// not finite there is no metric; the counts say what and where.
struct StageValues {
  std::size_t count = 0;
  metrics::Census a, b;
  std::optional<std::size_t> mask_mismatch;  ///< first place where NaN or infinity is on one side
  bool identical = false;                    ///< the same bits throughout, NaN's and -0's too
  metrics::Metric max_abs = metrics::Undefined::empty;  ///< largest |b - a|
  std::size_t max_abs_index = 0;                        ///< the first that has it
  metrics::Metric rmse = metrics::Undefined::empty;
  metrics::Metric rms_a = metrics::Undefined::empty, rms_b = metrics::Undefined::empty;
  metrics::Metric relative_error = metrics::Undefined::empty;  ///< ‖b - a‖ / ‖a‖
  metrics::Metric cosine = metrics::Undefined::empty;
  metrics::Metric norm_ratio = metrics::Undefined::empty;  ///< ‖b‖ / ‖a‖
  WorstStageRow worst_row;      ///< of rows of StageValueOptions::row values
  std::vector<ValuePlace> top;  ///< places that differ, the furthest first, then by index

  std::uint64_t non_finite() const;  ///< of both sides
};

struct StageValueOptions {
  std::size_t top = 10;
  std::size_t row = 0;  ///< values of a row; 0: none are told apart
  unsigned threads = 1;
};

/// Equal lengths.
StageValues compare_values(std::span<const float> a, std::span<const float> b,
                           const StageValueOptions& options);

/// The innermost extent, or of as many as it takes to make a row worth a number of its own.
std::size_t row_length(const std::vector<std::size_t>& shape);

/// What may differ. Both may be asked for, and both then have to hold.
struct StageLimits {
  std::optional<double> max_abs;   ///< of |b - a|
  std::optional<double> relative;  ///< of the relative error, in the worst row too
};

enum class StageVerdict : std::uint8_t {
  identical,   ///< bit for bit, and finite
  within,      ///< every limit holds
  not_judged,  ///< finite, and no limit was given
  no_power,    ///< within limits that a tensor of zeros would meet as well
  above,
  non_finite,
};
inline constexpr std::array<std::string_view, 6> kStageVerdictNames = {
    "identical", "within", "not-judged", "no-power", "above", "non-finite"};
constexpr std::string_view to_string(StageVerdict v) {
  return kStageVerdictNames[static_cast<std::size_t>(v)];
}

struct StageJudgement {
  StageVerdict verdict = StageVerdict::not_judged;
  std::string because;  ///< one clause; empty for identical
};

/// `a` as it was compared: whether zeros would pass too depends on its values.
StageJudgement judge_values(const StageValues& values, std::span<const float> a,
                            const StageLimits& limits);

}  // namespace refute::instruments
