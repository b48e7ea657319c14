// Where wrong elements lie, and how that is said.

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "harness/instruments/fault_locator_keys.hpp"
#include "harness/instruments/fault_locator_misfit.hpp"

namespace refute::instruments {
namespace {

std::vector<std::size_t> sorted(const std::set<std::size_t>& set) {
  return {set.begin(), set.end()};
}

/// log of the number of ways to choose k of n.
double log_choices(std::size_t n, std::size_t k) {
  const auto x = static_cast<double>(n), y = static_cast<double>(k);
  return std::lgamma(x + 1) - std::lgamma(y + 1) - std::lgamma(x - y + 1);
}

/// What is said of a place has to be less likely than that where places are drawn at random.
constexpr double kChance = 1e-3;

/// The number of visible keys from which on rows are wrong, if it splits the rows of the wrong
/// heads in two, and that is no chance. Rows of several heads count once: heads tend to err in the
/// same rows.
std::optional<std::size_t> first_key_of(const FaultObservation& o,
                                        const std::set<std::size_t>& wrong_rows,
                                        const std::set<std::size_t>& wrong_heads) {
  std::size_t least_wrong = o.problem.seq_kv + 1, most_right = 0;
  std::set<std::size_t> seeing, wrong;
  for (std::size_t r = 0; r < o.actual.size() / o.problem.head_dim; ++r) {
    const RowPlace place = place_of(o.problem, r);
    // A row without a key, or with one, whose weight is 1 in any case, says nothing.
    if (!wrong_heads.contains(r / o.problem.seq_q) || place.seen < 2) continue;
    seeing.insert(place.row);
    if (wrong_rows.contains(r)) {
      wrong.insert(place.row);
      least_wrong = std::min(least_wrong, place.seen);
    } else {
      most_right = std::max(most_right, place.seen);
    }
  }
  if (most_right < 2 || wrong.empty() || most_right >= least_wrong) return std::nullopt;
  // All ways in which so many rows can be wrong, of which this is one.
  if (-log_choices(seeing.size(), wrong.size()) > std::log(kChance)) return std::nullopt;
  return least_wrong - 1;
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

std::size_t numbers_of_residue(std::size_t of, std::size_t n, std::size_t residue) {
  return residue < of ? (of - residue - 1) / n + 1 : 0;
}

struct Residue {
  std::size_t of, residue;
};
/// By how many powers of two a set of numbers is looked at for what they leave.
constexpr std::size_t kDivisors[] = {64, 32, 16, 8, 4, 2};

/// What all of them leave when divided by the largest of the divisors for which that is the same,
/// unless chance explains it: among all sets of that size, those that fit this divisor or a larger.
std::optional<Residue> common_residue(const FaultSpread& s) {
  double fitting = 0;
  const std::size_t count = s.which.size();
  for (const std::size_t n : kDivisors) {
    if (s.of <= n) continue;
    for (std::size_t r = 0; r < n; ++r) {
      const std::size_t numbers = numbers_of_residue(s.of, n, r);
      if (numbers >= count) {
        fitting += std::exp(log_choices(numbers, count) - log_choices(s.of, count));
      }
    }
    const std::size_t r = s.which.front() % n;
    const bool same = std::ranges::all_of(s.which, [&](std::size_t x) { return x % n == r; });
    if (same) return fitting <= kChance ? std::optional(Residue{n, r}) : std::nullopt;
  }
  return std::nullopt;
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
  if (const auto c = common_residue(s)) {
    const bool each = numbers_of_residue(s.of, c->of, c->residue) == s.which.size();
    return fmt::format("{}{}, each {} modulo {}", each ? "the " : "", words(s.which.size(), noun),
                       c->residue, c->of);
  }
  if (s.which.size() > 6)
    return fmt::format("{} of {} between {} and {}", s.which.size(), words(s.of, noun), first,
                       last);
  return fmt::format("{} {} of {}", plural(noun), fmt::join(s.which, ", "), s.of);
}

/// k, if the rows are just those that see k keys or more, some see less, and k is 1 or 2: then a
/// fault that needs a key, or two to choose from, is in all rows where it can be.
std::size_t rows_seeing(const oracles::AttentionProblem& p, const std::set<std::size_t>& rows) {
  std::size_t least = p.seq_kv + 1, most_of_others = 0;
  for (std::size_t i = 0; i < p.seq_q; ++i) {
    const std::size_t seen = place_of(p, i).seen;
    if (rows.contains(i)) {
      least = std::min(least, seen);
    } else {
      most_of_others = std::max(most_of_others, seen);
    }
  }
  const bool split = rows.size() < p.seq_q && most_of_others < least;
  return split && (least == 1 || least == 2) ? least : 0;
}

std::string rows_words(const FaultPlace& p) {
  if (p.rows_seeing == 0) return words(p.rows, "row", p.tile);
  return fmt::format("all {} that see{} {}", words(p.rows.which.size(), "row"),
                     p.rows.which.size() == 1 ? "s" : "",
                     p.rows_seeing == 1 ? "a key" : "more than one key");
}

std::string keys_sentence(const FaultPlace& p) {
  if (p.key) {
    return fmt::format("; the error lies along key {} (tile {}, {} modulo {})", *p.key,
                       *p.key / p.tile, *p.key % p.tile, p.tile);
  }
  const std::string tile =
      p.key_tile ? fmt::format(", in tile {} of the keys", *p.key_tile) : std::string();
  if (p.key_from_end) {
    return *p.key_from_end == 0
               ? fmt::format("; the error lies along the last key that a row sees{}", tile)
               : fmt::format("; the error lies along the key {} before the last that a row sees{}",
                             *p.key_from_end, tile);
  }
  if (p.key_in_tile) {
    return fmt::format("; the error lies along a key that is {} modulo {}{}", *p.key_in_tile,
                       p.tile, tile);
  }
  return p.key_tile ? fmt::format("; the error lies along key tile {}", *p.key_tile) : "";
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
  place.rows_seeing = rows_seeing(o.problem, rows);
  place.columns = {sorted(columns), d};
  place.first_key = first_key_of(o, wrong_rows, wrong_heads);
  if (place.not_finite == 0) point_to_keys(o, wrong_rows, tile, place);
  return place;
}

std::size_t sharpness(const FaultPlace& p) {
  if (p.wrong == 0) return 0;
  const auto some = [](const FaultSpread& s) { return s.which.size() < s.of; };
  const bool along = p.key || p.key_from_end || p.key_in_tile || p.key_tile;
  return 1 + std::size_t{p.first_key.has_value()} + std::size_t{along} +
         std::size_t{some(p.heads)} + std::size_t{some(p.batches)} + std::size_t{some(p.columns)} +
         std::size_t{common_residue(p.rows).has_value()};
}

std::string sentence(const FaultPlace& p) {
  if (p.wrong == 0) return "";
  std::string text = fmt::format("{} of {}: ", p.wrong, words(p.elements, "element"));
  if (p.not_finite > 0) text += fmt::format("{} not finite, ", p.not_finite);
  if (p.batches.of > 1) text += words(p.batches, "batch entry", 0) + ", ";
  text += fmt::format("{}, {}, {}", words(p.heads, "head", 0), rows_words(p),
                      words(p.columns, "column", 0));
  if (p.first_key) {
    text += fmt::format("; only rows that see key {} (tile {}, {} modulo {})", *p.first_key,
                        *p.first_key / p.tile, *p.first_key % p.tile, p.tile);
  }
  text += keys_sentence(p);
  return text + fmt::format("; worst at entry {}, head {}, row {}, column {}", p.worst_batch,
                            p.worst_head, p.worst_row, p.worst_column);
}

}  // namespace refute::instruments
