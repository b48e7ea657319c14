#pragma once

// From what was measured to what is said of it. Pure.

#include <functional>
#include <optional>
#include <string_view>

#include "harness/instruments/quant_diff.hpp"
#include "harness/instruments/quant_diff_pass.hpp"

namespace refute::instruments {

/// The row of a pair that was measured.
DiffRow judge_pair(const TensorPair& pair, const PairResult& measured,
                   const std::optional<double>& threshold);

/// Measures what can be measured, and gives every pair its row; counts them as common.
void take_pairs(DiffReport& report, const std::vector<TensorPair>& pairs,
                const DiffOptions& options, const std::function<bool()>& stopped);

/// Rows of what only one side has: a finding, or a note where it is known what it holds in place of
/// weights (see bookkeeping).
DiffRow missing_row(const tensor::ModelTensor& reference,
                    std::optional<std::string_view> held = std::nullopt);
DiffRow extra_row(const tensor::ModelTensor& other,
                  std::optional<std::string_view> held = std::nullopt);

/// Nothing when the two can be measured; else the row that says why not.
std::optional<DiffRow> incomparable_row(const TensorPair& pair);

DiffVerdict bucket(metrics::Metric cosine);

}  // namespace refute::instruments
