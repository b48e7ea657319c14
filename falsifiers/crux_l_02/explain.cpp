#include "falsifiers/crux_l_02/explain.hpp"

#include <fmt/format.h>

#include "harness/instruments/fault_locator.hpp"
#include "harness/worker/errors.hpp"

namespace refute::falsifiers {
namespace {

using instruments::FaultObservation;
using instruments::TellingProblem;
using mutants::KernelInputs;
using mutants::KernelShape;

constexpr std::size_t kTile = 64;  ///< keys, as flash2's
/// A case with more products than this is left out, for its time; the telling ones are small.
constexpr std::size_t kMostProducts = std::size_t{1} << 24;

oracles::AttentionProblem problem_of(const KernelShape& s) {
  return {s.batch, s.heads_q, s.heads_kv, s.seq_q, s.seq_kv, s.head_dim, s.causal, s.scale(), 1};
}

/// The subject's output; nothing where it does not serve the case.
std::optional<AttentionAnswer> answer_of(AttentionSubject& subject, const KernelShape& shape,
                                         const KernelInputs& in, const AttentionVariant& variant) {
  try {
    return subject.run(shape, in, variant);
  } catch (const worker::SubjectDeclined&) {
    return std::nullopt;
  }
}

/// The subject's run on the case; nothing if it could not be run, or to no end.
std::optional<FaultObservation> observe(AttentionSubject& subject, const AttentionCase& c,
                                        const AttentionVariant& variant) {
  const KernelInputs in = inputs_of(c);
  auto answer = answer_of(subject, c.shape, in, variant);
  if (!answer || !answer->trouble.empty() || answer->out.size() != in.a.size()) {
    return std::nullopt;
  }
  FaultObservation o;
  o.problem = problem_of(c.shape);
  o.format = static_cast<metrics::Format>(c.shape.storage);
  o.q = in.a, o.k = in.b, o.v = in.c;
  o.actual = std::move(answer->out);
  metrics::DeclaredPrecision precision;
  precision.output = o.format;
  if (variant.rounds_probabilities) precision.probabilities = o.format;
  if (variant.truncates_sums) precision.growth = metrics::Growth::worst_case;
  instruments::measure_against_oracle(o, precision, metrics::kSixDeviations);
  if (!o.sound()) return std::nullopt;
  return o;
}

AttentionCase telling_case(const TellingProblem& t, const AttentionCase& like) {
  const oracles::AttentionProblem& p = t.problem;
  AttentionCase c = like;
  KernelShape& s = c.shape;
  s.batch = p.batch, s.heads_q = p.heads_q, s.heads_kv = p.heads_kv;
  s.seq_q = p.seq_q, s.seq_kv = p.seq_kv, s.head_dim = p.head_dim, s.causal = p.causal;
  c.family = t.far_apart ? AttentionFamily::peaked : AttentionFamily::normal;
  return c;
}

std::size_t products(const KernelShape& s) {
  return s.batch * s.heads_q * s.seq_q * s.seq_kv * s.head_dim;
}

/// A run of the subject, and whether its rows tell where a fault is: where scores are far apart one
/// key rules a row, and which rows are wrong hangs on the inputs.
struct Observed {
  FaultObservation run;
  std::string shape;
  bool tells_place;
};

/// The place that says most: of several that say as much, the one with the least share of wrong
/// elements. Where all is wrong, as on a case shrunk to one element, a place tells nothing.
std::string sharpest_place(const std::vector<Observed>& all, bool first_is_case) {
  std::string text;
  std::size_t most = 0;
  double least = 2;
  for (const bool telling : {true, false}) {
    for (std::size_t i = 0; i < all.size() && (telling || most == 0); ++i) {
      if (all[i].tells_place != telling) continue;
      const auto place = instruments::locate_fault(all[i].run, kTile);
      const std::size_t sharp = instruments::sharpness(place);
      const double share = static_cast<double>(place.wrong) / static_cast<double>(place.elements);
      if (sharp < most || sharp == 0 || (sharp == most && share >= least)) continue;
      most = sharp, least = share;
      text = instruments::sentence(place);
      if (i > 0 || !first_is_case) text = fmt::format("on {}: {}", all[i].shape, text);
    }
  }
  return text;
}

}  // namespace

Explanation explain(AttentionSubject& subject, const AttentionCase& c, const AttentionCase& found,
                    const AttentionVariant& variant) {
  std::vector<Observed> all;
  const auto add = [&](const AttentionCase& one, bool tells_place) {
    if (products(one.shape) > kMostProducts) return;
    auto o = observe(subject, one, variant);
    if (o) all.push_back({std::move(*o), shape_words(one.shape), tells_place});
  };
  add(c, c.family == AttentionFamily::normal);
  const bool case_ran = !all.empty();
  for (const TellingProblem& t : instruments::telling_problems()) {
    add(telling_case(t, c), !t.far_apart);
  }
  Explanation e;
  e.where = sharpest_place(all, case_ran);
  // No output differs from what is right: what was refuted is a relation between runs.
  if (e.where.empty()) return {"", "every output by itself is right"};
  std::vector<FaultObservation> runs;
  for (Observed& o : all) runs.push_back(std::move(o.run));
  auto names = instruments::name_fault(runs, kTile);
  // A case shrunk to a few elements is met by many faults; the one it came from by fewer.
  if (names.size() > instruments::kMostFaultNames && products(found.shape) <= kMostProducts) {
    if (auto larger = observe(subject, found, variant)) {
      e.needs_found = true;
      runs.push_back(std::move(*larger));
      names = instruments::name_fault(runs, kTile);
    }
  }
  e.fault = instruments::sentence(names);
  return e;
}

}  // namespace refute::falsifiers
