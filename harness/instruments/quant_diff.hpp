#pragma once

// What quantisation cost, tensor by tensor, and whether any of it is a bug: one model against
// another, or against what quantising it in memory would give. Pure: two open models in, a report
// out; nothing is printed or written here.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/instruments/quant_diff_band.hpp"
#include "harness/instruments/quant_diff_codes.hpp"
#include "harness/metrics/metric.hpp"
#include "harness/model/result.hpp"
#include "harness/tensor/model_file.hpp"

namespace refute::instruments {

/// The published bucket of a cosine: green from 0.999, yellow from 0.99, red below and where there
/// is no cosine. A tensor without elements has none.
enum class DiffVerdict : std::uint8_t { green, yellow, red, none };
constexpr std::array<std::string_view, 4> kDiffVerdictNames = {"green", "yellow", "red", "none"};
constexpr std::string_view to_string(DiffVerdict v) {
  return kDiffVerdictNames[static_cast<std::size_t>(v)];
}

/// What makes a row a finding. Any of them makes the exit status 1.
enum class DiffFindingKind : std::uint8_t {
  missing,         ///< the reference has the tensor, the other model does not
  extra,           ///< the other way round
  shape_mismatch,  ///< [2, 8] is not [8, 2]
  unknown_type,    ///< no numbers can be made of it
  non_finite,      ///< NaN or infinity on either side, or a difference beyond f32
  unreadable,      ///< its bytes could not be turned into numbers
  over_bound,      ///< a block is further off than any correct quantiser of its format leaves it
  wrong_code,      ///< a code is not the one nearest to its value, where nearly all others are
  scale,           ///< the norm is off by more than the whole error of a healthy quantiser
  changed,         ///< values or codes of a copy, which had to be the same
  beyond_band,     ///< the relative error is more than twice what a healthy quantiser leaves
  threshold,       ///< the cosine is below the gate
};
constexpr std::array<std::string_view, 12> kDiffFindingNames = {
    "missing",    "extra",      "shape_mismatch", "unknown_type", "non_finite",  "unreadable",
    "over_bound", "wrong_code", "scale",          "changed",      "beyond_band", "threshold"};
constexpr std::string_view to_string(DiffFindingKind k) {
  return kDiffFindingNames[static_cast<std::size_t>(k)];
}

struct DiffFinding {
  DiffFindingKind kind{};
  std::string message;  ///< a sentence that says where
};

/// The group of consecutive values with the largest relative error: a row where rows have 64 to
/// 65536 values, else about 4096 values of the flattened tensor.
struct WorstGroup {
  bool is_row = false;
  std::size_t group = 0, first = 0, length = 0;
  metrics::Metric relative_error = metrics::Undefined::empty;
};

struct DiffRow {
  std::string tensor;      ///< its name in the reference; in the other model if it is only there
  std::string other_name;  ///< where the other model calls it something else, else empty
  std::string reference_type, qtype;  ///< what it really is made of: "F32", "Q4_K"; empty if absent
  std::vector<std::size_t> shape, other_shape;
  std::size_t numel = 0;
  metrics::Metric rmse = metrics::Undefined::empty;  ///< √(Σd²/n), d in f32, summed in f64
  // Between two tensors of F16, or two of BF16, cosine and norm ratio are within 2^-34 of exact
  // sums (see kernels::RunError); everywhere else only f64 rounds.
  metrics::Metric cosine = metrics::Undefined::empty;
  metrics::Metric max_abs = metrics::Undefined::empty;
  std::size_t max_abs_index = 0;  ///< of the first element that has it, row-major
  metrics::Metric relative_error = metrics::Undefined::empty;  ///< ‖d‖ / ‖reference‖
  metrics::Metric norm_ratio = metrics::Undefined::empty;      ///< ‖other‖ / ‖reference‖
  WorstGroup worst;
  std::optional<ErrorBand> band;  ///< of a healthy quantiser of this format
  BandVerdict band_verdict = BandVerdict::none;
  CodeCheck codes;
  DiffVerdict verdict = DiffVerdict::red;
  std::vector<DiffFinding> findings;
  std::string cause;               ///< the fault that explains the findings; empty: none is known
  std::vector<std::string> notes;  ///< what a reader should know and what is no finding

  bool has(DiffFindingKind kind) const;
  void add(DiffFindingKind kind, std::string message);
};

/// How many groups (see WorstGroup) have which relative error: four bins an octave from 2^-20 to
/// 2^2, below all of them those without any error, above all of them the rest.
struct ErrorHistogram {
  static constexpr std::size_t kBins = 88;
  std::uint64_t none = 0, beyond = 0;
  std::array<std::uint64_t, kBins> bins = {};

  void add(double relative_error);
  void add(const ErrorHistogram& other);
  static double lower_edge(std::size_t bin);
};

struct DiffOptions {
  std::optional<double> threshold = 0.95;  ///< least cosine; nothing lifts this gate alone
  std::string match = {};                  ///< glob over names; empty: all
  /// Names of the reference and what the other model calls them, before any other rule.
  std::vector<std::pair<std::string, std::string>> map = {};
  unsigned threads = 1;
  bool thorough = false;  ///< quantises K formats again too; see check_codes
  /// Called from any thread, one call at a time: bytes done, bytes in all.
  std::function<void(std::size_t, std::size_t)> progress = {};
};

struct DiffReport {
  std::vector<DiffRow> rows;  ///< in the order of sort_rows
  std::size_t common = 0;     ///< tensors that both sides have, whatever came of them
  ErrorHistogram histogram;
  std::vector<std::string> notes;

  bool has_findings() const;
};

/// Compares every tensor of `reference` with its counterpart. The same bits whatever the number of
/// threads. An error when the map names what is not there, or a file was cut short meanwhile.
Result<DiffReport> diff_models(const tensor::ModelFile& reference, const tensor::ModelFile& other,
                               const DiffOptions& options);

/// Puts rows in their order: findings without an rmse first, then rmse descending, last what has
/// neither; then by name.
void sort_rows(std::vector<DiffRow>& rows);

}  // namespace refute::instruments
