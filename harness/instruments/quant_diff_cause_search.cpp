#include "harness/instruments/quant_diff_cause_search.hpp"

#include <algorithm>
#include <cmath>

#include "harness/instruments/quant_diff_source.hpp"
#include "kernels/run_error.hpp"

namespace refute::instruments {
namespace {

using tensor::ModelTensor;

RowReader rows_of(const ModelTensor& tensor, const Adjustment& adjust, std::size_t cols) {
  return [&tensor, adjust, cols](std::size_t row, std::span<float> out) {
    return read_run(tensor, adjust, row * cols, out);
  };
}

}  // namespace

bool read_run(const ModelTensor& tensor, const Adjustment& adjust, std::size_t first,
              std::span<float> out) {
  const std::size_t unit =
      adjust.heads != 0 ? tensor.cols() : tensor::values_per_block(tensor.type);
  const std::size_t begin = first / unit * unit;
  const std::size_t end = std::min(tensor.count, (first + out.size() + unit - 1) / unit * unit);
  if (begin == first && end == first + out.size())
    return !read_adjusted(tensor, adjust, first, out);
  std::vector<float> whole(end - begin);
  if (read_adjusted(tensor, adjust, begin, whole)) return false;
  std::ranges::copy(std::span(whole).subspan(first - begin, out.size()), out.begin());
  return true;
}

RowReader CauseSearch::reference() const {
  return rows_of(*pair_.reference, pair_.adjust_reference, cols());
}

RowReader CauseSearch::other(const ModelTensor& tensor) const {
  return rows_of(tensor, pair_.adjust_other, cols());
}

RowReader CauseSearch::stored_reference() const {
  return rows_of(*pair_.reference, {.plus_one = pair_.adjust_reference.plus_one}, cols());
}

RowReader CauseSearch::stored_other() const {
  return rows_of(*pair_.other, {.plus_one = pair_.adjust_other.plus_one}, cols());
}

bool CauseSearch::may_read(std::size_t values) {
  ran_out_ = ran_out_ || values > budget_;
  if (!ran_out_) budget_ -= values;
  return !ran_out_;
}

bool CauseSearch::fits(const RowDistance& d, double times) const {
  if (band_.lossless()) return d.d2 == 0;
  return std::sqrt(d.d2) <= times * band_.high * std::sqrt(d.x2);
}

std::optional<RowDistance> CauseSearch::distance(const RowReader& reference, const RowReader& other,
                                                 std::size_t row) {
  x_.resize(cols());
  if (!may_read(cols()) || !reference(row, x_)) return std::nullopt;
  return distance(x_, other, row);
}

std::optional<RowDistance> CauseSearch::distance(std::span<const float> x, const RowReader& other,
                                                 std::size_t row) {
  y_.resize(cols());
  if (!may_read(cols()) || !other(row, y_)) return std::nullopt;
  const auto e = kernels::cpu_simd::run_error(kernels::stored(x), kernels::stored(y_), cols());
  if (!std::isfinite(e.max_abs)) return std::nullopt;
  return RowDistance{e.sum_d2, e.sum_x2};
}

std::optional<double> CauseSearch::explains(const RowReader& reference, const RowReader& other) {
  constexpr std::size_t kSample = 8;
  const auto try_row = [&](std::size_t row) {
    const auto d = distance(reference, other, row);
    return d && row_fits(*d) ? d : std::nullopt;
  };
  // At odd sixteenths: the first and the last row stay in their place under many permutations.
  for (std::size_t i = 0; i < kSample && rows() > kSample; ++i) {
    if (!try_row(rows() * (2 * i + 1) / (2 * kSample))) return std::nullopt;
  }
  RowDistance all;
  for (std::size_t row = 0; row < rows(); ++row) {
    const auto d = try_row(row);
    if (!d) return std::nullopt;
    all.d2 += d->d2;
    all.x2 += d->x2;
  }
  if (all.x2 == 0 || !fits(all, 1)) return std::nullopt;
  return std::sqrt(all.d2 / all.x2);
}

}  // namespace refute::instruments
