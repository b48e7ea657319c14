// Values in the order of another shape.

#include <algorithm>

#include "harness/instruments/quant_diff_cause_guesses.hpp"

namespace refute::instruments {
namespace {

constexpr std::size_t kHeld = std::size_t{1} << 20;  // values of columns that are held at once

/// Columns of a tensor that is stored as `count` rows of `length`, some at a time.
class Columns {
 public:
  Columns(const tensor::ModelTensor& tensor, std::size_t count, std::size_t length)
      : tensor_(tensor),
        count_(count),
        length_(length),
        width_(std::clamp<std::size_t>(kHeld / std::max<std::size_t>(count, 1), 32, 256)) {}

  bool read(std::size_t column, std::span<float> out) {
    const std::size_t first = column / width_ * width_;
    const std::size_t width = std::min(width_, length_ - first);
    if ((held_.empty() || first != first_) && !load(first, width)) return false;
    for (std::size_t row = 0; row < count_; ++row) out[row] = held_[row * width + column - first];
    return true;
  }

 private:
  bool load(std::size_t first, std::size_t width) {
    held_.resize(count_ * width);
    first_ = first;
    for (std::size_t row = 0; row < count_; ++row) {
      const auto part = std::span(held_).subspan(row * width, width);
      if (!read_run(tensor_, {}, row * length_ + first, part)) return held_.clear(), false;
    }
    return true;
  }

  const tensor::ModelTensor& tensor_;
  std::size_t count_, length_, width_, first_ = 0;
  std::vector<float> held_;
};

}  // namespace

std::optional<Cause> transposed(CauseSearch& search) {
  const std::size_t rows = search.rows(), cols = search.cols();
  if (rows < 2 || cols < 2) return std::nullopt;
  Columns theirs(*search.pair().other, cols, rows), ours(*search.pair().reference, cols, rows);
  const auto rows_of = [](Columns& columns) {
    return [&columns](std::size_t row, std::span<float> out) { return columns.read(row, out); };
  };
  auto error = search.explains(search.stored_reference(), rows_of(theirs));
  // Of a matrix that is not square, either side may be the one that was read by columns.
  if (!error && rows != cols) error = search.explains(rows_of(ours), search.stored_other());
  if (!error) return std::nullopt;
  return Cause{"it is transposed", *error};
}

std::optional<Cause> reshaped(CauseSearch& search) {
  const auto error = search.explains(search.stored_reference(), search.stored_other());
  if (!error) return std::nullopt;
  return Cause{"its values are in the same order, under another shape", *error};
}

}  // namespace refute::instruments
