// Rows that stand in each other's places.

#include <algorithm>

#include <fmt/format.h>

#include "harness/instruments/quant_diff_cause_guesses.hpp"
#include "harness/instruments/quant_diff_cause_sketch.hpp"

namespace refute::instruments {
namespace {

using Places = std::vector<std::size_t>;

// As many as are put in order; more can only be rotated.
constexpr std::size_t kMostRows = 4096;

RowReader moved(RowReader rows, const Places& place) {
  return [rows = std::move(rows), &place](std::size_t row, std::span<float> out) {
    return rows(place[row], out);
  };
}

/// Rows that are not what they should be; nothing when they cannot be read.
std::optional<Places> displaced(CauseSearch& search) {
  Places rows;
  const RowReader reference = search.reference(), other = search.other();
  for (std::size_t row = 0; row < search.rows(); ++row) {
    const auto d = search.distance(reference, other, row);
    if (!d) return std::nullopt;
    if (!search.row_fits(*d)) rows.push_back(row);
  }
  return rows;
}

/// Which of these rows of the other model is the reference's row `probe`. Where not even one row is
/// found again, no more need be looked for.
std::optional<std::size_t> place_of(CauseSearch& search, std::size_t probe, const Places& among) {
  std::vector<float> x(search.cols());
  if (!search.may_read(x.size()) || !search.reference()(probe, x)) return std::nullopt;
  const RowReader other = search.other();
  for (const std::size_t row : among) {
    const auto d = search.distance(x, other, row);
    if (!d) return std::nullopt;
    if (d->x2 != 0 && search.row_fits(*d)) return row;
  }
  return std::nullopt;
}

std::optional<std::vector<RowSketch>> sketches(CauseSearch& search, const RowReader& reader,
                                               const Places& rows) {
  const SketchSigns signs(search.cols());
  std::vector<RowSketch> all;
  std::vector<float> row(search.cols());
  for (const std::size_t r : rows) {
    if (!search.may_read(row.size()) || !reader(r, row)) return std::nullopt;
    all.push_back({signs.sketch(row), r});
  }
  return all;
}

/// Of each row where it stands, itself for those in their place; nothing unless it is a
/// permutation.
std::optional<Places> places(CauseSearch& search, const Places& rows) {
  const auto ours = sketches(search, search.reference(), rows);
  auto theirs = sketches(search, search.other(), rows);
  if (!ours || !theirs) return std::nullopt;
  sort_sketches(*theirs);
  Places place(search.rows());
  for (std::size_t r = 0; r < place.size(); ++r) place[r] = r;
  std::vector<bool> taken(search.rows());
  for (const RowSketch& sketch : *ours) {
    const std::size_t to = nearest_row(*theirs, sketch.sums);
    if (taken[to]) return std::nullopt;
    taken[to] = true;
    place[sketch.row] = to;
  }
  return place;
}

std::optional<Cause> rotated(CauseSearch& search, std::size_t by) {
  Places place(search.rows());
  for (std::size_t r = 0; r < place.size(); ++r) place[r] = (r + by) % place.size();
  const auto error = search.explains(moved(search.other(), place));
  if (!error) return std::nullopt;
  return Cause{fmt::format("its rows are rotated by {}: row 0 stands in row {}", by, by), *error};
}

std::optional<Cause> permuted(CauseSearch& search, const Places& rows) {
  const auto place = places(search, rows);
  if (!place) return std::nullopt;
  const auto error = search.explains(moved(search.other(), *place));
  if (!error) return std::nullopt;
  const std::size_t first = rows.front(), there = (*place)[first];
  if (rows.size() == 2)
    return Cause{fmt::format("rows {} and {} are swapped", first, there), *error};
  return Cause{fmt::format("{} of {} rows are permuted: row {} stands in row {}", rows.size(),
                           search.rows(), first, there),
               *error};
}

}  // namespace

std::optional<Cause> displaced_rows(CauseSearch& search) {
  if (search.rows() < 2) return std::nullopt;
  const auto rows = displaced(search);
  if (!rows || rows->size() < 2) return std::nullopt;
  const std::size_t probe = rows->front(), count = search.rows();
  const auto there = place_of(search, probe, *rows);
  if (!there) return std::nullopt;
  if (auto cause = rotated(search, (*there + count - probe) % count)) return cause;
  return rows->size() <= kMostRows ? permuted(search, *rows) : std::nullopt;
}

}  // namespace refute::instruments
