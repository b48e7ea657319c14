// Where wrong elements lie, and how that is said.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "harness/instruments/fault_locator_misfit.hpp"

namespace refute::instruments {
namespace {

std::vector<std::size_t> sorted(const std::set<std::size_t>& set) {
  return {set.begin(), set.end()};
}

/// The number of visible keys from which on rows are wrong, if it splits the rows of the wrong
/// heads in two.
std::optional<std::size_t> first_key_of(const FaultObservation& o,
                                        const std::set<std::size_t>& wrong_rows,
                                        const std::set<std::size_t>& wrong_heads) {
  std::size_t least_wrong = o.problem.seq_kv + 1, most_right = 0;
  bool any_right = false;
  for (std::size_t r = 0; r < o.actual.size() / o.problem.head_dim; ++r) {
    const RowPlace place = place_of(o.problem, r);
    if (!wrong_heads.contains(r / o.problem.seq_q)) continue;
    if (wrong_rows.contains(r)) {
      least_wrong = std::min(least_wrong, place.seen);
    } else {
      most_right = std::max(most_right, place.seen), any_right = true;
    }
  }
  if (!any_right || least_wrong == 0 || most_right >= least_wrong) return std::nullopt;
  return least_wrong - 1;
}

/// The squared cosine between a row's error and a direction: the share of the error along it.
double share_along(const FaultObservation& o, std::size_t row, std::span<const double> direction) {
  const std::size_t d = direction.size();
  double dot = 0, size = 0, error = 0;
  for (std::size_t x = 0; x < d; ++x) {
    const double off = o.actual[row * d + x] - o.exact[row * d + x];
    dot += off * direction[x], size += direction[x] * direction[x], error += off * off;
  }
  return size > 0 && error > 0 ? dot / size * (dot / error) : 0;
}

/// The tile that the row's error points to: a wrong weight of key j moves the output along v_j -
/// out, one of a whole tile along Σ p_j·(v_j - out).
std::optional<std::size_t> tile_of_row(const FaultObservation& o, std::size_t row,
                                       std::size_t tile) {
  constexpr double kClear = 0.9;
  const std::size_t d = o.problem.head_dim;
  const RowPlace place = place_of(o.problem, row);
  const std::vector<double> p = row_weights(o, row, place);
  double best = kClear;
  std::optional<std::size_t> which;
  for (std::size_t begin = 0; begin < place.seen; begin += tile) {
    std::vector<double> part(d), one(d);
    for (std::size_t j = begin; j < std::min(begin + tile, place.seen); ++j) {
      const float* value = &o.v[(place.shared * o.problem.seq_kv + j) * d];
      for (std::size_t x = 0; x < d; ++x)
        part[x] += p[j] * (one[x] = value[x] - o.exact[row * d + x]);
      const double share = share_along(o, row, one);
      if (share > best) best = share, which = begin / tile;
    }
    const double share = share_along(o, row, part);
    if (share > best) best = share, which = begin / tile;
  }
  return which;
}

/// What nine of ten wrong rows that can have erred in one of several tiles say.
std::optional<std::size_t> tile_of(const FaultObservation& o, const std::set<std::size_t>& rows,
                                   std::size_t tile) {
  constexpr std::size_t kMostRows = 64;  // enough to vote
  std::map<std::size_t, std::size_t> votes;
  std::size_t voters = 0;
  for (const std::size_t row : rows) {
    if (voters == kMostRows || place_of(o.problem, row).seen <= tile) continue;
    ++voters;
    if (const auto t = tile_of_row(o, row, tile)) ++votes[*t];
  }
  for (const auto& [t, count] : votes) {
    if (count * 10 >= voters * 9) return t;
  }
  return std::nullopt;
}

std::string plural(std::string_view noun) {
  return noun.ends_with('y') ? fmt::format("{}ies", noun.substr(0, noun.size() - 1))
                             : fmt::format("{}s", noun);
}

std::string words(std::size_t n, std::string_view noun) {
  return fmt::format("{} {}", n, n == 1 ? std::string(noun) : plural(noun));
}

bool consecutive(const std::vector<std::size_t>& x) {
  return x.back() - x.front() + 1 == x.size();
}

/// What all of them leave when divided by n, if it is the same and tells something.
std::optional<std::size_t> common_residue(const FaultSpread& s, std::size_t n) {
  if (s.which.size() < 2 || s.of <= n) return std::nullopt;
  const std::size_t residue = s.which.front() % n;
  const bool all = std::ranges::all_of(s.which, [&](std::size_t x) { return x % n == residue; });
  return all ? std::optional(residue) : std::nullopt;
}

std::string words(const FaultSpread& s, std::string_view noun, std::size_t tile) {
  if (s.which.size() == s.of)
    return fmt::format("{}{}", s.of == 1 ? "" : "all ", words(s.of, noun));
  const std::size_t first = s.which.front(), last = s.which.back();
  if (s.which.size() == 1) {
    const std::string in_tile =
        tile != 0 && s.of > tile ? fmt::format(" ({} modulo {})", first % tile, tile) : "";
    return fmt::format("{} {} of {}{}", noun, first, s.of, in_tile);
  }
  if (consecutive(s.which)) return fmt::format("{} {}-{} of {}", plural(noun), first, last, s.of);
  for (const std::size_t n : {std::size_t{64}, std::size_t{32}, std::size_t{16}, std::size_t{8},
                              std::size_t{4}, std::size_t{2}}) {
    if (const auto r = common_residue(s, n)) {
      return fmt::format("{}, each {} modulo {}", words(s.which.size(), noun), *r, n);
    }
  }
  if (s.which.size() > 6)
    return fmt::format("{} of {} between {} and {}", s.which.size(), words(s.of, noun), first,
                       last);
  return fmt::format("{} {} of {}", plural(noun), fmt::join(s.which, ", "), s.of);
}

}  // namespace

FaultPlace locate_fault(const FaultObservation& o, std::size_t tile) {
  const std::size_t d = o.problem.head_dim;
  FaultPlace place;
  place.tile = tile;
  place.elements = o.actual.size();
  std::set<std::size_t> batches, heads, rows, columns, wrong_rows, wrong_heads;
  double worst = 0;
  for (std::size_t i = 0; i < o.actual.size(); ++i) {
    const double off = distance(o, i, o.exact[i], FaultRounding::nearest);
    if (off == 0) continue;
    const RowPlace at = place_of(o.problem, i / d);
    ++place.wrong;
    place.not_finite += !std::isfinite(o.actual[i]);
    batches.insert(at.batch), heads.insert(at.head), rows.insert(at.row), columns.insert(i % d);
    wrong_rows.insert(i / d), wrong_heads.insert(i / d / o.problem.seq_q);
    if (off <= worst) continue;
    worst = off;
    place.worst_batch = at.batch, place.worst_head = at.head, place.worst_row = at.row;
    place.worst_column = i % d;
  }
  place.batches = {sorted(batches), o.problem.batch};
  place.heads = {sorted(heads), o.problem.heads_q};
  place.rows = {sorted(rows), o.problem.seq_q};
  place.columns = {sorted(columns), d};
  place.first_key = first_key_of(o, wrong_rows, wrong_heads);
  if (place.not_finite == 0) place.key_tile = tile_of(o, wrong_rows, tile);
  return place;
}

std::string sentence(const FaultPlace& p) {
  if (p.wrong == 0) return "";
  std::string text = fmt::format("{} of {}: ", p.wrong, words(p.elements, "element"));
  if (p.not_finite > 0) text += fmt::format("{} not finite, ", p.not_finite);
  if (p.batches.of > 1) text += words(p.batches, "batch entry", 0) + ", ";
  text += fmt::format("{}, {}, {}", words(p.heads, "head", 0), words(p.rows, "row", p.tile),
                      words(p.columns, "column", 0));
  if (p.first_key) {
    text += fmt::format("; only rows that see key {} (tile {}, {} modulo {})", *p.first_key,
                        *p.first_key / p.tile, *p.first_key % p.tile, p.tile);
  }
  if (p.key_tile) text += fmt::format("; the error lies along key tile {}", *p.key_tile);
  return text + fmt::format("; worst at entry {}, head {}, row {}, column {}", p.worst_batch,
                            p.worst_head, p.worst_row, p.worst_column);
}

}  // namespace refute::instruments
