#include "falsifiers/crux_l_02/explain.hpp"

#include <fmt/format.h>

#include "harness/instruments/fault_locator.hpp"

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

/// The subject's run on the case; nothing if it could not be run, or to no end.
std::optional<FaultObservation> observe(AttentionSubject& subject, const AttentionCase& c,
                                        const AttentionVariant& variant) {
  const KernelInputs in = inputs_of(c);
  AttentionAnswer answer = subject.run(c.shape, in, variant);
  if (!answer.trouble.empty() || answer.out.size() != in.a.size()) return std::nullopt;
  FaultObservation o;
  o.problem = problem_of(c.shape);
  o.format = static_cast<metrics::Format>(c.shape.storage);
  o.q = in.a, o.k = in.b, o.v = in.c;
  o.actual = std::move(answer.out);
  metrics::DeclaredPrecision precision;
  precision.output = o.format;
  if (variant.rounds_probabilities) precision.probabilities = o.format;
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

/// The observation with the least share of wrong elements, if any has some: where all is wrong, as
/// on a case shrunk to one element, a place tells nothing.
std::size_t most_telling(const std::vector<FaultObservation>& all) {
  std::size_t best = all.size();
  double least = 2;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto place = instruments::locate_fault(all[i], kTile);
    const double share = static_cast<double>(place.wrong) / static_cast<double>(place.elements);
    if (place.wrong > 0 && share < least) least = share, best = i;
  }
  return best;
}

}  // namespace

Explanation explain(AttentionSubject& subject, const AttentionCase& c,
                    const AttentionVariant& variant) {
  std::vector<FaultObservation> all;
  std::vector<std::string> shapes;
  const auto add = [&](const AttentionCase& one) {
    if (products(one.shape) > kMostProducts) return;
    if (auto o = observe(subject, one, variant)) {
      all.push_back(std::move(*o));
      shapes.push_back(shape_words(one.shape));
    }
  };
  add(c);
  const bool case_ran = !all.empty();
  for (const TellingProblem& t : instruments::telling_problems()) add(telling_case(t, c));
  const std::size_t at = most_telling(all);
  Explanation e;
  if (at < all.size()) e.where = instruments::sentence(instruments::locate_fault(all[at], kTile));
  if ((at != 0 || !case_ran) && !e.where.empty())
    e.where = fmt::format("on {}: {}", shapes[at], e.where);
  // No output differs from what is right: what was refuted is a relation between runs.
  e.fault = e.where.empty() ? "every output by itself is right"
                            : instruments::sentence(instruments::name_fault(all, kTile));
  return e;
}

}  // namespace refute::falsifiers
