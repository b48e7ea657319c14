// One factor on all values.

#include <cmath>

#include <fmt/format.h>

#include "harness/instruments/quant_diff_cause_guesses.hpp"
#include "kernels/run_error.hpp"

namespace refute::instruments {
namespace {

/// The best factor on the reference over a row in the middle that is not all zeros.
double factor_of(CauseSearch& search) {
  std::vector<float> x(search.cols()), y(search.cols());
  const RowReader reference = search.reference(), other = search.other();
  for (std::size_t i = 0; i < search.rows(); ++i) {
    const std::size_t row = (search.rows() / 2 + i) % search.rows();
    if (!search.may_read(2 * x.size()) || !reference(row, x) || !other(row, y)) return 0;
    const auto e = kernels::cpu_simd::run_error(kernels::stored(x), kernels::stored(y), x.size());
    if (e.sum_x2 > 0) return e.sum_xy / e.sum_x2;
  }
  return 0;
}

std::string words_of(double factor) {
  if (factor == -1) return "every value has the opposite sign";
  return fmt::format("every value is {} times what it should be", factor);
}

}  // namespace

std::optional<Cause> scaled_values(CauseSearch& search) {
  const double found = factor_of(search);
  if (found == 0 || !std::isfinite(found)) return std::nullopt;
  const int exponent = static_cast<int>(std::lround(std::log2(std::fabs(found))));
  const double factor = std::copysign(std::ldexp(1.0, exponent), found);
  if (factor == 1) return std::nullopt;
  const RowReader undone = [factor, other = search.other()](std::size_t row, std::span<float> out) {
    if (!other(row, out)) return false;
    for (float& v : out) v = static_cast<float>(v / factor);
    return true;
  };
  const auto error = search.explains(undone);
  if (!error) return std::nullopt;
  return Cause{words_of(factor), *error};
}

}  // namespace refute::instruments
