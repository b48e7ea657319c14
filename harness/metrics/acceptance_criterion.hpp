#pragma once

// What a kernel's outputs are judged by, prepared once per input, and one output beside it.

#include <cstddef>
#include <span>
#include <vector>

#include "harness/metrics/acceptance_format.hpp"

namespace refute::metrics {

/// What the caller knows; all vectors are [rows, cols], row-major.
struct CriterionData {
  Format format = Format::f32;  ///< of the output
  std::size_t rows = 0, cols = 0;
  std::vector<double> reference;  ///< exact, never rounded to the output's format
  std::vector<double> bound;      ///< how far a correct kernel may be before it rounds its output
  std::vector<float> baseline;    ///< a plain implementation of the precision that is declared
  std::vector<float> plain;  ///< a plain one that rounds every intermediate to `format` as well
};

class Criterion {
 public:
  explicit Criterion(CriterionData data);

  /// Sizes agree, nothing is empty, and reference and bound are finite. Without it every rule
  /// declines.
  bool usable() const { return usable_; }

  const CriterionData& data() const { return data_; }
  /// The correct roundings of numbers within bound of the reference are those from low to high.
  const std::vector<double>& low() const { return low_; }
  const std::vector<double>& high() const { return high_; }
  const std::vector<double>& rounded() const { return rounded_; }  ///< the reference in the format

  struct Row {
    double rms = 0;  ///< of the reference
    double bound_rms = 0, bound_max = 0;
    double baseline_rms = 0, baseline_max = 0;  ///< of the baseline's error; infinite for NaN
  };
  const std::vector<Row>& row_scales() const { return row_scales_; }
  double rms() const { return rms_; }  ///< of the whole reference
  double plain_rms_error() const { return plain_rms_; }
  double plain_max_error() const { return plain_max_; }

 private:
  Row row_scale(std::size_t row) const;

  CriterionData data_;
  bool usable_ = false;
  std::vector<double> low_, high_, rounded_;
  std::vector<Row> row_scales_;
  double rms_ = 0, plain_rms_ = 0, plain_max_ = 0;
};

/// Root mean square and largest of |x - reference|; infinite where an x is NaN.
struct ErrorSize {
  double rms = 0, max = 0;
};
ErrorSize error_size(std::span<const float> x, std::span<const double> reference);
double root_mean_square(std::span<const double> x);

/// One output. Both are referred to, not copied, and have to outlive it.
class Comparison {
 public:
  /// An output of another size than the criterion's makes every rule refuse.
  Comparison(const Criterion& criterion, std::span<const float> got);

  /// Sums over the whole tensor that most published rules are made of. A NaN in any of them makes
  /// its comparison false, which refuses.
  struct Totals {
    double got2 = 0, reference2 = 0, dot = 0, error2 = 0, max_error = 0;
  };

  const Criterion& criterion() const { return criterion_; }
  std::span<const float> got() const { return got_; }
  bool same_size() const { return got_.size() == criterion_.data().reference.size(); }
  const Totals& totals() const { return totals_; }

 private:
  const Criterion& criterion_;
  std::span<const float> got_;
  Totals totals_;
};

}  // namespace refute::metrics
