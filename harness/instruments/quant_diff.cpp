#include "harness/instruments/quant_diff.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/instruments/quant_diff_bookkeeping.hpp"
#include "harness/instruments/quant_diff_cause.hpp"
#include "harness/instruments/quant_diff_judge.hpp"
#include "harness/instruments/quant_diff_pair.hpp"

namespace refute::instruments {
namespace {

double sort_key(const DiffRow& row) {
  if (row.rmse.defined()) return row.rmse.value();
  const double far = std::numeric_limits<double>::infinity();
  return row.findings.empty() ? -far : far;
}

void add_notes(DiffReport& report, const std::vector<std::string>& notes) {
  report.notes.insert(report.notes.end(), notes.begin(), notes.end());
}

/// Honest about the one fault that the quick check leaves room for.
void note_what_cannot_be_seen(DiffReport& report, const std::vector<TensorPair>& pairs) {
  std::set<std::string> formats;
  for (const TensorPair& pair : pairs) {
    if (has_code_check(*pair.reference, *pair.other) && wants_thorough_check(pair.other->type))
      formats.insert(to_string(pair.other->type));
  }
  if (formats.empty()) return;
  report.notes.push_back(fmt::format(
      "blocks of {} were not quantised again: a scale that is off and leaves every code "
      "the nearest one cannot be seen without --thorough",
      fmt::join(formats, ", ")));
}

void note_left_out(DiffReport& report, std::size_t without_search) {
  if (without_search == 0) return;
  report.notes.push_back(
      fmt::format("{} tensor{} with findings may have a cause that was not looked for, as that "
                  "took longer than "
                  "the diff; --match selects tensors",
                  without_search, without_search == 1 ? "" : "s"));
}

}  // namespace

void take_pairs(DiffReport& report, const std::vector<TensorPair>& pairs,
                const DiffOptions& options, const std::function<bool()>& stopped) {
  std::vector<DiffRow> rows(pairs.size());
  std::vector<TensorPair> measurable;
  std::vector<std::size_t> row_of;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (auto row = incomparable_row(pairs[i])) {
      rows[i] = *std::move(row);
    } else {
      measurable.push_back(pairs[i]);
      row_of.push_back(i);
    }
  }
  const PassResult measured = measure_pairs(measurable, {.threads = std::max(1u, options.threads),
                                                         .thorough = options.thorough,
                                                         .progress = options.progress,
                                                         .stopped = stopped});
  for (std::size_t i = 0; i < measurable.size(); ++i)
    rows[row_of[i]] = judge_pair(measurable[i], measured.pairs[i], options.threshold);
  if (!stopped || !stopped()) note_left_out(report, name_causes(rows, pairs, cause_budget(pairs)));
  std::ranges::move(rows, std::back_inserter(report.rows));
  report.histogram = measured.histogram;
  report.common = pairs.size();
}

bool DiffRow::has(DiffFindingKind kind) const {
  return std::ranges::any_of(findings, [=](const DiffFinding& f) { return f.kind == kind; });
}

void DiffRow::add(DiffFindingKind kind, std::string message) {
  findings.push_back({kind, std::move(message)});
}

bool DiffReport::has_findings() const {
  return std::ranges::any_of(rows, [](const DiffRow& row) { return !row.findings.empty(); });
}

void sort_rows(std::vector<DiffRow>& rows) {
  std::ranges::sort(rows, [](const DiffRow& a, const DiffRow& b) {
    const double ka = sort_key(a), kb = sort_key(b);
    return ka != kb ? ka > kb : a.tensor < b.tensor;
  });
}

Result<DiffReport> diff_models(const tensor::ModelFile& reference, const tensor::ModelFile& other,
                               const DiffOptions& options) {
  auto pairing = pair_tensors(reference, other, options.map, options.match);
  if (!pairing) return pairing.take_error();
  DiffReport report;
  take_pairs(report, pairing->pairs, options,
             [&] { return reference.damaged() || other.damaged(); });
  const auto here = reference.format(), there = other.format();
  for (const auto* t : pairing->missing)
    report.rows.push_back(missing_row(*t, bookkeeping(*t, here, there)));
  for (const auto* t : pairing->extra)
    report.rows.push_back(extra_row(*t, bookkeeping(*t, there, here)));
  for (const tensor::ModelFile* model : {&reference, &other}) {
    if (auto error = model->damaged()) return *std::move(error);
    add_notes(report, model->notes());
  }
  add_notes(report, pairing->notes);
  if (!options.thorough) note_what_cannot_be_seen(report, pairing->pairs);
  sort_rows(report.rows);
  return report;
}

}  // namespace refute::instruments
