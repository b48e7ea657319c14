#include "harness/instruments/fault_locator.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "harness/instruments/fault_locator_misfit.hpp"
#include "harness/instruments/fault_locator_order.hpp"

namespace refute::instruments {
namespace {

/// How much of the error a fault may leave, and how many elements may stay wrong where it is to be
/// right: room for what the kernel's own f32 arithmetic adds, beside the fault.
constexpr double kMostLeft = 0.01;
constexpr double kMostStillWrong = 0.01;
/// Faults with something fitted to the observation (a factor, a key) need that many wrong elements:
/// fewer could be met by chance.
constexpr std::size_t kLeastToFit = 32;
constexpr std::size_t kOtherTiles[] = {64, 128, 32, 16};
/// Scores that are off by less than that are not told from rounding by a fit.
constexpr double kLeastScoreFactor = 1e-3;
/// A fault is tried on so many of the worst rows before all are computed, and has to explain most
/// of their error.
constexpr std::size_t kTriedRows = 6;
constexpr double kMostLeftOfTried = 0.2;

/// An f32 kernel's own arithmetic is the storage type, so there is no such fault.
bool rounds_to_storage(const RowModel& m) {
  return m.round_scores || m.round_weights || m.round_probabilities || m.round_rescale ||
         m.round_sum || m.round_output || m.round_query;
}

/// A row as a kernel with the fault computes it; false where the fault cannot be.
bool predict_row(const FaultObservation& o, const CommonFault& fault, std::size_t tile,
                 std::size_t row, std::span<double> out) {
  const RowPlace place = place_of(o.problem, row);
  RowModel model = right_model(o.problem, place, tile);
  if (!fault.model(o.problem, place, model)) return false;
  if (o.format == metrics::Format::f32 && rounds_to_storage(model)) return false;
  compute_row(o, row, place, model, out);
  return true;
}

/// Whether the fault explains the worst rows; most faults are out after the first of them.
bool explains_some(const FaultObservation& o, const CommonFault& fault, std::size_t tile,
                   const std::vector<std::size_t>& rows) {
  const std::size_t d = o.problem.head_dim;
  std::vector<double> out(d);
  for (const std::size_t r : rows) {
    if (!predict_row(o, fault, tile, r, out)) return false;
    const double left = misfit_of_row(o, r, out, fault.rounding).energy;
    if (!(left <= kMostLeftOfTried * error_of_row(o, r).energy)) return false;
  }
  return true;
}

/// The output of a kernel with the fault; nothing where it cannot be.
std::optional<std::vector<double>> predicted(const FaultObservation& o, const CommonFault& fault,
                                             std::size_t tile) {
  std::vector<double> out = o.exact;
  if (fault.model == nullptr) {
    const bool can_be = fault.output == nullptr || fault.output(o, out);
    return can_be ? std::optional(std::move(out)) : std::nullopt;
  }
  const std::size_t d = o.problem.head_dim;
  for (std::size_t r = 0; r * d < out.size(); ++r) {
    if (!predict_row(o, fault, tile, r, std::span(out).subspan(r * d, d))) return std::nullopt;
  }
  return out;
}

/// What an observation leaves of a prediction: the share of the error that it explains, or nothing
/// if it does not hold there.
std::optional<double> explained(const FaultObservation& o, const Misfit& error,
                                const std::vector<double>& want, FaultRounding how) {
  const Misfit left = misfit_of(o, want, how);
  if (error.elements == 0) {
    const bool right =
        static_cast<double>(left.elements) <= kMostStillWrong * static_cast<double>(want.size());
    return right ? std::optional(1.0) : std::nullopt;
  }
  const double share = 1 - left.energy / error.energy;
  const bool holds =
      share >= 1 - kMostLeft && static_cast<double>(left.elements) <=
                                    std::max(kMostStillWrong * static_cast<double>(want.size()),
                                             0.05 * static_cast<double>(error.elements));
  return holds ? std::optional(share) : std::nullopt;
}

/// A fault's prediction, and what its name is beside this observation.
using Predict = std::function<std::optional<std::vector<double>>(const FaultObservation&)>;

/// The least share over all observations; nothing unless it holds on each. Where the fault cannot
/// be (a mask's on a full one), the kernel has to be right.
std::optional<double> least_share(std::span<const FaultObservation> all,
                                  const std::vector<Misfit>& errors, const Predict& predict,
                                  FaultRounding how) {
  double least = 1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto want = predict(all[i]);
    if (!want && errors[i].elements > 0) return std::nullopt;
    if (!want) continue;
    const auto share = explained(all[i], errors[i], *want, how);
    if (!share) return std::nullopt;
    least = std::min(least, *share);
  }
  return least;
}

/// c with which c·exact comes nearest to the output.
double best_factor(const FaultObservation& o) {
  double dot = 0, norm = 0;
  for (std::size_t i = 0; i < o.exact.size(); ++i) {
    dot += o.exact[i] * o.actual[i];
    norm += o.exact[i] * o.exact[i];
  }
  return norm > 0 ? dot / norm : 1;
}

/// With as many digits as tell it from 1; nothing where nine do not: it is 1 then.
std::optional<std::string> factor_text(double factor) {
  for (int digits = 4; digits <= 9; ++digits) {
    std::string text = fmt::format("{:.{}g}", factor, digits);
    if (text != "1") return text;
  }
  return std::nullopt;
}

/// A row as a kernel computes it whose scores are `factor` times too large.
void scaled_row(const FaultObservation& o, std::size_t row, double factor, std::size_t tile,
                std::span<double> out) {
  const RowPlace place = place_of(o.problem, row);
  RowModel model = right_model(o.problem, place, tile);
  model.scale *= factor;
  compute_row(o, row, place, model, out);
}

/// The factor of the scores that comes nearest to the worst rows: by steps of an eighth of a
/// doubling, then by golden section around the best of them.
double best_score_factor(const FaultObservation& o, std::size_t tile) {
  const std::vector<std::size_t> rows = worst_rows(o, kTriedRows);
  std::vector<double> out(o.problem.head_dim);
  const auto misfit = [&](double log2_factor) {
    double energy = 0;
    for (const std::size_t r : rows) {
      scaled_row(o, r, std::exp2(log2_factor), tile, out);
      energy += misfit_of_row(o, r, out, FaultRounding::nearest).energy;
    }
    return energy;
  };
  constexpr double kStep = 0.125, kWidest = 4, kGolden = 0.6180339887498949;
  double best = 0, least = misfit(0);
  for (double x = -kWidest; x <= kWidest; x += kStep) {
    const double energy = misfit(x);
    if (energy < least) least = energy, best = x;
  }
  double low = best - kStep, high = best + kStep;
  for (int i = 0; i < 30; ++i) {
    const double a = high - kGolden * (high - low), b = low + kGolden * (high - low);
    misfit(a) < misfit(b) ? high = b : low = a;
  }
  return std::exp2((low + high) / 2);
}

/// The key whose part in the worst row lies along that row's error.
std::optional<std::size_t> suspected_key(const FaultObservation& o) {
  const std::size_t d = o.problem.head_dim, row = worst_rows(o, 1).front();
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

std::optional<std::vector<double>> with_key(const FaultObservation& o, std::size_t key,
                                            double times, std::size_t tile) {
  std::vector<double> out = o.exact;
  const std::size_t d = o.problem.head_dim;
  if (key >= o.problem.seq_kv) return std::nullopt;
  for (std::size_t r = 0; r * d < out.size(); ++r) {
    const RowPlace place = place_of(o.problem, r);
    RowModel model = right_model(o.problem, place, tile);
    model.times = [=](std::size_t j) { return j == key ? times : 1.0; };
    compute_row(o, r, place, model, std::span(out).subspan(r * d, d));
  }
  return out;
}

bool all_finite(const std::vector<float>& x) {
  return std::ranges::all_of(x, [](float y) { return std::isfinite(y); });
}

/// A row is not finite if exp of its largest score overflows f32, and only then; in between lie
/// those whose sum may.
bool only_overflows(std::span<const FaultObservation> all) {
  constexpr double kOverflows = 88.73, kMayOverflow = 78;
  bool some = false, other = false;
  for (const FaultObservation& o : all) {
    const std::size_t d = o.problem.head_dim;
    for (std::size_t r = 0; r * d < o.actual.size(); ++r) {
      const double most = largest_score(o, r, place_of(o.problem, r));
      const bool bad = !std::isfinite(o.actual[r * d]);
      if (bad && most < kMayOverflow) return false;
      if (!bad && most > kOverflows) return false;
      some |= bad, other |= most < kMayOverflow;
    }
  }
  return some && other;
}

/// A NaN says where it is and no more; a name is given to its shape where all else is right.
std::vector<FaultName> not_finite(std::span<const FaultObservation> all) {
  if (std::ranges::all_of(all, [](const FaultObservation& o) { return all_finite(o.actual); })) {
    return {};
  }
  bool whole = true, tail = true, rows = true;
  for (const FaultObservation& o : all) {
    const std::size_t n = o.actual.size(), d = o.problem.head_dim;
    const auto bad = [&](std::size_t i) { return !std::isfinite(o.actual[i]); };
    std::size_t end = n;
    while (end > 0 && bad(end - 1)) --end;
    whole &= end == 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (!bad(i) && distance(o, i, o.exact[i], FaultRounding::nearest) != 0) return {};
      tail &= !(bad(i) && i < end);
      rows &= bad(i) == bad(i / d * d);
    }
  }
  if (only_overflows(all)) {
    return {{"max_not_subtracted",
             "rows with large scores are not finite: the maximum is not subtracted", 1}};
  }
  if (whole) return {{"all_nan", "nothing in the output is a finite number", 1}};
  if (tail) return {{"nan_tail", "the end of the output is not finite: it was not written", 1}};
  if (rows) return {{"nan_rows", "whole rows are not finite", 1}};
  return {};
}

class Naming {
 public:
  Naming(std::span<const FaultObservation> all, std::size_t tile) : all_(all), tile_(tile) {
    for (const FaultObservation& o : all) {
      errors_.push_back(error_of(o));
      if (errors_.back().elements > most_wrong_) {
        most_wrong_ = errors_.back().elements;
        worst_ = &o;
      }
    }
  }

  bool anything_wrong() const { return worst_ != nullptr; }

  /// Only where something is wrong. A fit does not depend on the tile, and is made once.
  std::vector<FaultName> run(bool with_fit) {
    const std::vector<std::size_t> rows = worst_rows(*worst_, kTriedRows);
    for (const CommonFault& fault : common_faults()) {
      if (fault.model != nullptr && !explains_some(*worst_, fault, tile_, rows)) continue;
      add(std::string(fault.name), std::string(fault.sentence), fault.rounding,
          [&](const FaultObservation& o) { return predicted(o, fault, tile_); });
    }
    if (with_fit && names_.empty() && most_wrong_ >= kLeastToFit) fit();
    std::ranges::stable_sort(names_, std::greater(), &FaultName::explained);
    return std::move(names_);
  }

 private:
  void add(std::string name, std::string sentence, FaultRounding how, const Predict& predict) {
    const auto share = least_share(all_, errors_, predict, how);
    if (!share) return;
    // Some faults come in two ways that differ where a row sees nothing.
    const auto same = std::ranges::find(names_, name, &FaultName::name);
    if (same != names_.end()) return void(same->explained = std::max(same->explained, *share));
    names_.push_back({std::move(name), std::move(sentence), *share});
  }

  /// Faults with a number of their own, taken from the worst observation and tried on all.
  void fit() {
    const double c = best_factor(*worst_);
    if (const auto text = factor_text(c)) {
      add("output_times_factor", "the output is multiplied by " + *text, FaultRounding::nearest,
          [c](const FaultObservation& o) {
            std::vector<double> out = o.exact;
            for (double& x : out) x *= c;
            return std::optional(std::move(out));
          });
    }
    fit_scores();
    const auto key = suspected_key(*worst_);
    if (!key) return;
    const std::string at =
        fmt::format("key {} (tile {}, {} modulo {})", *key, *key / tile_, *key % tile_, tile_);
    for (const double times : {0.0, 2.0}) {
      add(times == 0 ? "drops_key" : "key_twice",
          at + (times == 0 ? " is left out" : " counts twice"), FaultRounding::nearest,
          [&](const FaultObservation& o) { return with_key(o, *key, times, tile_); });
    }
  }

  void fit_scores() {
    const double factor = best_score_factor(*worst_, tile_);
    if (std::abs(factor - 1) < kLeastScoreFactor) return;
    add("scores_times_factor", fmt::format("scores are multiplied by {:.4g}", factor),
        FaultRounding::nearest, [&](const FaultObservation& o) {
          std::vector<double> out = o.exact;
          const std::size_t d = o.problem.head_dim;
          for (std::size_t r = 0; r * d < out.size(); ++r) {
            scaled_row(o, r, factor, tile_, std::span(out).subspan(r * d, d));
          }
          return std::optional(std::move(out));
        });
  }

  std::span<const FaultObservation> all_;
  std::size_t tile_;
  std::vector<Misfit> errors_;
  std::size_t most_wrong_ = 0;
  const FaultObservation* worst_ = nullptr;
  std::vector<FaultName> names_;
};

}  // namespace

bool FaultObservation::sound() const {
  const std::size_t d = problem.head_dim;
  const std::size_t queries = problem.batch * problem.heads_q * problem.seq_q * d;
  const std::size_t keys = problem.batch * problem.heads_kv * problem.seq_kv * d;
  const auto finite = [](double x) { return std::isfinite(x); };
  return queries > 0 && keys > 0 && q.size() == queries && actual.size() == queries &&
         exact.size() == queries && bound.size() == queries && k.size() == keys &&
         v.size() == keys && std::ranges::all_of(exact, finite) &&
         std::ranges::all_of(bound, finite);
}

void measure_against_oracle(FaultObservation& o, const metrics::DeclaredPrecision& precision,
                            double lambda) {
  const metrics::WeightDeviation w = metrics::weight_deviation(precision, o.problem.head_dim);
  o.exact.resize(o.q.size());
  o.bound.resize(o.q.size());
  std::vector<double> terms(o.q.size()), spread(o.q.size());
  oracles::attention(o.problem, o.q, o.k, o.v, o.exact,
                     {w.products, w.score, w.shift, w.constant, w.absolute}, {terms, spread});
  metrics::attention_bound(precision, lambda, o.problem.seq_kv, o.exact, terms, spread, o.bound);
}

std::span<const TellingProblem> telling_problems() {
  constexpr double kEighth = 0.125, kOf128 = 0.08838834764831845;
  static constexpr TellingProblem kProblems[] = {
      {{2, 4, 2, 37, 150, 64, true, kEighth, 1}, false},
      {{1, 4, 2, 9, 201, 128, false, kOf128, 1}, false},
      {{1, 2, 1, 70, 50, 64, true, kEighth, 1}, false},
      {{1, 2, 1, 9, 150, 64, false, kEighth, 1}, true},
      {{1, 2, 1, 40, 128, 64, true, kEighth, 1}, false},
  };
  return kProblems;
}

std::vector<FaultName> name_fault(std::span<const FaultObservation> observations,
                                  std::size_t tile) {
  // A fault can make some output so large that f32 loses it; where the same kernel is wrong with
  // finite numbers there is more to go by.
  std::vector<FaultObservation> finite;
  for (const FaultObservation& o : observations) {
    if (all_finite(o.actual)) finite.push_back(o);
  }
  if (!Naming(finite, tile).anything_wrong()) return not_finite(observations);
  // Faults at the edges of tiles are tried with other sizes as well, once the usual one has failed.
  std::vector<FaultName> names = Naming(finite, tile).run(true);
  for (const std::size_t size : kOtherTiles) {
    if (!names.empty() || size == tile) continue;
    names = Naming(finite, size).run(false);
    for (FaultName& name : names) name.sentence += fmt::format(", with tiles of {} keys", size);
  }
  return names.empty() ? misplaced(finite) : names;
}

std::string sentence(std::span<const FaultName> names) {
  if (names.empty()) return "no common fault explains it";
  if (names.size() > kMostFaultNames) {
    return fmt::format("{} common faults explain it alike, so none is named", names.size());
  }
  std::string text = names.size() > 1 ? "either " : "";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += ", or ";
    text += fmt::format("{}: {}", names[i].name, names[i].sentence);
  }
  return text + fmt::format(" ({:.4g} % of the error)", 100 * names.back().explained);
}

}  // namespace refute::instruments
