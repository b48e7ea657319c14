#pragma once

// One tensor under the question what happened to it: its values row by row, and whether a guess
// explains them.

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/instruments/quant_diff_band.hpp"
#include "harness/instruments/quant_diff_pass.hpp"

namespace refute::instruments {

/// A fault that explains the tensor, and the relative error that is left when it is undone.
struct Cause {
  std::string words;
  double error = 0;
};

/// Writes values of row `row`; false when they cannot be had.
using RowReader = std::function<bool(std::size_t row, std::span<float> out)>;

/// Squared distance of a row from its counterpart, and its squared norm.
struct RowDistance {
  double d2 = 0, x2 = 0;
};

class CauseSearch {
 public:
  /// budget: values that may still be read; what is read here is taken off it.
  CauseSearch(const TensorPair& pair, const ErrorBand& band, std::size_t& budget)
      : pair_(pair), band_(band), budget_(budget) {}

  const TensorPair& pair() const { return pair_; }
  const ErrorBand& band() const { return band_; }
  std::size_t rows() const { return pair_.reference->rows(); }
  std::size_t cols() const { return pair_.reference->cols(); }

  /// Rows as the diff compares them: what the conversion to GGUF does is undone.
  RowReader reference() const;
  RowReader other() const { return other(*pair_.other); }
  /// Rows of another tensor of the other model, of the same shape.
  RowReader other(const tensor::ModelTensor& tensor) const;
  /// Rows where they stand in the files.
  RowReader stored_reference() const;
  RowReader stored_other() const;

  /// The relative error between two ways of reading all rows, if it is within the band. Most wrong
  /// guesses fail on the first of a few rows.
  std::optional<double> explains(const RowReader& reference, const RowReader& other);
  /// The same with the reference as it is.
  std::optional<double> explains(const RowReader& other) { return explains(reference(), other); }

  /// Of one row; nothing when it cannot be had, or nothing may be read any more.
  std::optional<RowDistance> distance(const RowReader& reference, const RowReader& other,
                                      std::size_t row);
  /// The same from values that are at hand.
  std::optional<RowDistance> distance(std::span<const float> x, const RowReader& other,
                                      std::size_t row);
  /// One row may be off by more than all of them together.
  bool row_fits(const RowDistance& d) const { return fits(d, kOneRow); }
  /// Takes `values` off the budget; false when there are not so many left.
  bool may_read(std::size_t values);
  bool ran_out() const { return ran_out_; }

 private:
  static constexpr double kOneRow = 2;
  bool fits(const RowDistance& d, double times) const;

  const TensorPair& pair_;
  ErrorBand band_;
  std::size_t& budget_;
  bool ran_out_ = false;
  std::vector<float> x_, y_;
};

/// Values first … first + out.size() − 1, whatever blocks they are in.
bool read_run(const tensor::ModelTensor& tensor, const Adjustment& adjust, std::size_t first,
              std::span<float> out);

}  // namespace refute::instruments
