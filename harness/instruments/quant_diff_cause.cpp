#include "harness/instruments/quant_diff_cause.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/instruments/quant_diff_cause_guesses.hpp"

namespace refute::instruments {
namespace {

// Rows and columns of a tensor as its parts are held in memory.
constexpr std::size_t kLongestRow = std::size_t{1} << 22;
// Values to read, so that small models have room for every guess: about a second.
constexpr std::size_t kLeastBudget = std::size_t{1} << 28;

bool beyond_its_band(const DiffRow& row) {
  return !row.findings.empty() && row.band && row.relative_error.defined() &&
         row.band_verdict == BandVerdict::above;
}

bool worth_a_search(const DiffRow& row, const TensorPair& pair) {
  if (!pair.other || pair.reference->cols() > kLongestRow || pair.reference->rows() > kLongestRow)
    return false;
  return tensor::has_values(pair.reference->type) && tensor::has_values(pair.other->type) &&
         (beyond_its_band(row) || row.has(DiffFindingKind::shape_mismatch));
}

std::optional<Cause> cause_of_shape(CauseSearch& search) {
  if (search.pair().reference->count != search.pair().other->count) return std::nullopt;
  if (auto cause = transposed(search)) return cause;
  return reshaped(search);
}

/// Where values only changed places the norm is what a healthy error leaves of it.
bool same_norm(const DiffRow& row, const ErrorBand& band) {
  return row.norm_ratio.defined() &&
         std::fabs(row.norm_ratio.value() - 1) <= std::max(band.high, 1e-9);
}

/// From what takes least to find out.
std::optional<Cause> cause_of_values(CauseSearch& search, const DiffRow& row,
                                     std::span<const TensorPair> pairs) {
  if (auto cause = scaled_values(search)) return cause;
  if (auto cause = one_added(search)) return cause;
  if (auto cause = packed_otherwise(search)) return cause;
  if (auto cause = values_of_another(search, pairs)) return cause;
  if (!same_norm(row, search.band())) return std::nullopt;
  if (auto cause = rotary_rows(search)) return cause;
  if (auto cause = transposed(search)) return cause;
  return displaced_rows(search);
}

std::string sentence(const Cause& cause) {
  if (cause.error == 0) return cause.words + "; undone, the two are equal";
  return fmt::format("{}; undone, the relative error is {:.4g}", cause.words, cause.error);
}

}  // namespace

std::size_t cause_budget(std::span<const TensorPair> pairs) {
  std::size_t budget = 0;
  for (const TensorPair& pair : pairs) budget += 2 * pair.reference->count;
  return std::max(budget, kLeastBudget);
}

std::size_t name_causes(std::span<DiffRow> rows, std::span<const TensorPair> pairs,
                        std::size_t budget) {
  std::size_t left_out = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!worth_a_search(rows[i], pairs[i])) continue;
    const auto band = expected_band(pairs[i].reference->type, pairs[i].other->type);
    if (!band) continue;
    CauseSearch search(pairs[i], *band, budget);
    const bool shape = rows[i].has(DiffFindingKind::shape_mismatch);
    const auto cause = shape ? cause_of_shape(search) : cause_of_values(search, rows[i], pairs);
    if (cause) rows[i].cause = sentence(*cause);
    left_out += !cause && search.ran_out();
  }
  return left_out;
}

}  // namespace refute::instruments
