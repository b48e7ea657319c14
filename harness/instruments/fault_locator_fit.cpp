#include "harness/instruments/fault_locator_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "harness/instruments/fault_locator_misfit.hpp"

namespace refute::instruments {
namespace {

using Problem = oracles::AttentionProblem;

constexpr std::size_t kFittedRows = 4;
/// Scores that are off by less than that are not told from rounding by a fit.
constexpr double kLeastScoreFactor = 1e-3;
/// How near a fitted number is to the one meant: what rounding to bf16 leaves of it.
constexpr double kSameNumber = 3e-3;

bool same(double fitted, double meant) {
  return std::abs(fitted - meant) <= kSameNumber * std::abs(meant);
}

double misfit_with(const FaultObservation& o, const std::vector<std::size_t>& rows,
                   std::size_t tile, const RowChange& change) {
  std::vector<double> out(o.problem.head_dim);
  double energy = 0;
  for (const std::size_t r : rows) {
    const RowPlace place = place_of(o.problem, r);
    RowModel model = right_model(o.problem, place, tile);
    if (!change(o.problem, place, model)) return std::numeric_limits<double>::infinity();
    compute_row(o, r, place, model, out);
    energy += misfit_of_row(o, r, out, FaultRounding::nearest).energy;
  }
  return energy;
}

/// The exponent of two in [low, high] with the least misfit: by steps, then by golden section
/// around the best of them.
template <class Misfit>
double best_exponent(double low, double high, double step, const Misfit& misfit) {
  double best = 0, least = std::numeric_limits<double>::infinity();
  for (double x = low; x <= high; x += step) {
    const double energy = misfit(x);
    if (energy < least) least = energy, best = x;
  }
  constexpr double kGolden = 0.6180339887498949;
  low = best - step, high = best + step;
  double a = high - kGolden * (high - low), b = low + kGolden * (high - low);
  double of_a = misfit(a), of_b = misfit(b);
  for (int i = 0; i < 30; ++i) {
    if (of_a < of_b) {
      high = b, b = a, of_b = of_a;
      a = high - kGolden * (high - low), of_a = misfit(a);
    } else {
      low = a, a = b, of_a = of_b;
      b = low + kGolden * (high - low), of_b = misfit(b);
    }
  }
  return (low + high) / 2;
}

// --- The scale of the scores

RowChange scores_times(double factor) {
  return [factor](const Problem&, const RowPlace&, RowModel& m) {
    m.scale *= factor;
    return true;
  };
}

/// A power of √2, or log2 e, where the factor is one; else nothing.
std::string meaning_of_factor(double factor) {
  const double halves = std::round(2 * std::log2(factor));
  if (same(factor, std::exp2(halves / 2)) && std::remainder(halves, 2) != 0) {
    if (std::abs(halves) == 1) return halves > 0 ? " (√2)" : " (1/√2)";
    return fmt::format(" (2^({:g}/2))", halves);
  }
  constexpr double kLog2E = 1.4426950408889634;
  if (same(factor, kLog2E)) return " (log2 e)";
  if (same(factor, 1 / kLog2E)) return " (ln 2)";
  return "";
}

/// The same scale whatever is asked for: 1/√n of a whole n where it is one.
FittedFault constant_scale(double scale) {
  const double n = std::round(1 / (scale * scale));
  const bool root = n >= 1 && n <= 4096 && same(scale, 1 / std::sqrt(n)) &&
                    !same(1 / std::sqrt(n), 1 / std::sqrt(n + 1));
  if (root) scale = 1 / std::sqrt(n);
  const std::string words = root ? fmt::format("1/√{:g}", n) : fmt::format("{:.4g}", scale);
  return {"scale_constant", fmt::format("scores are scaled by {} whatever D is", words),
          [scale](const Problem&, const RowPlace&, RowModel& m) {
            m.scale = scale;
            return true;
          }};
}

void fit_scores(std::span<const FaultObservation> all, const FaultObservation& worst,
                const std::vector<std::size_t>& rows, std::size_t tile,
                std::vector<FittedFault>& faults) {
  const double factor = std::exp2(best_exponent(-4, 4, 0.125, [&](double x) {
    return misfit_with(worst, rows, tile, scores_times(std::exp2(x)));
  }));
  if (std::abs(factor - 1) < kLeastScoreFactor) return;
  faults.push_back(
      {"scores_times_factor",
       fmt::format("scores are multiplied by {:.4g}{}", factor, meaning_of_factor(factor)),
       scores_times(factor)});
  const bool scales_differ = std::ranges::any_of(
      all, [&](const FaultObservation& o) { return !same(o.problem.scale, worst.problem.scale); });
  if (scales_differ) faults.push_back(constant_scale(factor * worst.problem.scale));
}

// --- A limit on the scores

RowChange capped(double cap) {
  return [cap](const Problem&, const RowPlace&, RowModel& m) {
    m.cap = cap;
    return true;
  };
}

/// From where the error is largest: small scores hardly tell one limit from another.
FittedFault fit_cap(std::span<const FaultObservation> all, std::size_t tile) {
  const FaultObservation& loudest = *std::ranges::max_element(
      all, {}, [](const FaultObservation& o) { return error_of(o).energy; });
  const std::vector<std::size_t> rows = worst_rows(loudest, kFittedRows);
  double cap = std::exp2(best_exponent(0, 8, 0.25, [&](double x) {
    return misfit_with(loudest, rows, tile, capped(std::exp2(x)));
  }));
  if (same(cap, std::round(cap))) cap = std::round(cap);
  return {"scores_capped", fmt::format("scores s are capped to {0:.4g}·tanh(s/{0:.4g})", cap),
          capped(cap)};
}

// --- A window of keys

struct Bounds {
  std::size_t begin, end;
};

/// A kind of window of w keys: which are in it, or nothing where there is none. With w it grows on
/// both sides.
struct Window {
  std::optional<Bounds> (*bounds)(const Problem&, const RowPlace&, std::size_t w);
  const char* sentence;
};

/// S_kv - S_q + i, which is the row's own key: before the first one for a row that sees none.
std::ptrdiff_t own_key(const Problem& p, const RowPlace& place) {
  return static_cast<std::ptrdiff_t>(p.seq_kv + place.row) - static_cast<std::ptrdiff_t>(p.seq_q);
}

std::size_t within(const Problem& p, std::ptrdiff_t key) {
  return static_cast<std::size_t>(
      std::clamp<std::ptrdiff_t>(key, 0, static_cast<std::ptrdiff_t>(p.seq_kv)));
}

std::optional<Bounds> last_seen(const Problem&, const RowPlace& place, std::size_t w) {
  return Bounds{place.seen - std::min(w, place.seen), place.seen};
}
std::optional<Bounds> last_under_mask(const Problem& p, const RowPlace& place, std::size_t w) {
  return p.causal ? last_seen(p, place, w) : std::nullopt;
}
std::optional<Bounds> from_own(const Problem& p, const RowPlace& place, std::size_t w) {
  if (p.causal) return last_seen(p, place, w);
  const auto wide = static_cast<std::ptrdiff_t>(w);
  return Bounds{within(p, own_key(p, place) - wide + 1), p.seq_kv};
}
std::optional<Bounds> around_own(const Problem& p, const RowPlace& place, std::size_t w) {
  if (p.causal) return last_seen(p, place, w);
  const auto own = own_key(p, place), wide = static_cast<std::ptrdiff_t>(w);
  return Bounds{within(p, own - wide + 1), within(p, own + wide)};
}

constexpr Window kWindows[] = {
    {last_seen, "a row attends to the last {} keys that it sees, not to all"},
    {last_under_mask, "under a causal mask a row attends to the last {} keys, not to all"},
    {from_own, "a row attends to no key that is {} or more before its own"},
    {around_own, "a row attends to no key that is {} or more away from its own"},
};

/// Adds to `energy` of each w what a row leaves with a window of w + 1 keys. Every key is taken in
/// once, as the window grows.
void add_energies(const FaultObservation& o, std::size_t row, const Window& window,
                  std::vector<double>& energy) {
  const Problem& p = o.problem;
  RowPlace place = place_of(p, row);
  const std::size_t d = p.head_dim;
  const std::vector<double> weight = row_weights(o, row, place);
  std::vector<double> sum(d), out(d);
  double total = 0;
  const auto take = [&](std::size_t begin, std::size_t end) {
    for (std::size_t j = begin; j < std::min(end, weight.size()); ++j) {
      total += weight[j];
      const float* value = &o.v[(place.shared * p.seq_kv + j) * d];
      for (std::size_t x = 0; x < d; ++x) sum[x] += weight[j] * value[x];
    }
  };
  std::optional<Bounds> have;
  for (std::size_t w = 0; w < energy.size(); ++w) {
    const auto now = window.bounds(p, place, w + 1);
    if (!now) return void(energy[w] = std::numeric_limits<double>::infinity());
    if (!have) {
      take(now->begin, now->end);
    } else {
      take(now->begin, have->begin);
      take(have->end, now->end);
    }
    have = now;
    for (std::size_t x = 0; x < d; ++x) out[x] = total > 0 ? sum[x] / total : 0;
    energy[w] += misfit_of_row(o, row, out, FaultRounding::nearest).energy;
  }
}

std::optional<FittedFault> fit_window(const FaultObservation& worst,
                                      const std::vector<std::size_t>& rows, const Window& window) {
  std::vector<double> energy(worst.problem.seq_kv);
  for (const std::size_t r : rows) add_energies(worst, r, window, energy);
  const auto best = std::ranges::min_element(energy);
  if (!std::isfinite(*best)) return std::nullopt;
  const auto w = static_cast<std::size_t>(best - energy.begin()) + 1;
  return FittedFault{
      "sliding_window", fmt::format(fmt::runtime(window.sentence), w),
      [w, bounds = window.bounds](const Problem& p, const RowPlace& place, RowModel& m) {
        const auto keys = bounds(p, place, w);
        if (!keys) return false;
        m.begin = keys->begin, m.end = keys->end;
        return true;
      }};
}

// --- A key

/// The key whose part in the worst row lies along that row's error.
std::optional<std::size_t> suspected_key(const FaultObservation& o, std::size_t row) {
  const std::size_t d = o.problem.head_dim;
  const RowPlace place = place_of(o.problem, row);
  double best = 0;
  std::size_t key = 0;
  for (std::size_t j = 0; j < place.seen; ++j) {
    const float* value = &o.v[(place.shared * o.problem.seq_kv + j) * d];
    double dot = 0, size = 0, error = 0;
    for (std::size_t x = 0; x < d; ++x) {
      const double along = value[x] - o.exact[row * d + x];
      const double off = o.actual[row * d + x] - o.exact[row * d + x];
      dot += along * off, size += along * along, error += off * off;
    }
    const double cosine2 = size > 0 && error > 0 ? dot / size * (dot / error) : 0;
    if (cosine2 > best) best = cosine2, key = j;
  }
  return best > 0.9 ? std::optional(key) : std::nullopt;
}

FittedFault key_counts(std::size_t key, double times, std::size_t tile) {
  return {times == 0 ? "drops_key" : "key_twice",
          fmt::format("key {} (tile {}, {} modulo {}) {}", key, key / tile, key % tile, tile,
                      times == 0 ? "is left out" : "counts twice"),
          [key, times](const Problem& p, const RowPlace&, RowModel& m) {
            m.times = [key, times](std::size_t j) { return j == key ? times : 1.0; };
            return key < p.seq_kv;
          }};
}

}  // namespace

std::vector<FittedFault> fitted_faults(std::span<const FaultObservation> all,
                                       const FaultObservation& worst, std::size_t tile) {
  std::vector<FittedFault> faults;
  const std::vector<std::size_t> rows = worst_rows(worst, kFittedRows);
  fit_scores(all, worst, rows, tile, faults);
  faults.push_back(fit_cap(all, tile));
  for (const Window& window : kWindows) {
    if (auto fault = fit_window(worst, rows, window)) faults.push_back(*std::move(fault));
  }
  if (const auto key = suspected_key(worst, rows.front())) {
    for (const double times : {0.0, 2.0}) faults.push_back(key_counts(*key, times, tile));
  }
  return faults;
}

}  // namespace refute::instruments
