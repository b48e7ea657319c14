#include "harness/instruments/bisect/verdict.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace refute::bisect {
namespace {

std::string times(double ratio) {
  return std::isinf(ratio) ? "no error is possible there"
                           : fmt::format("{:.3g} times its floor", ratio);
}

std::string own_error_text(const OwnError& e) {
  if (e.non_finite != 0) {
    return fmt::format("{} of {} values are NaN or infinite, on finite inputs", e.non_finite,
                       e.count);
  }
  return fmt::format(
      "element {}: got {:.9g}, its inputs make it {:.9g}, and it may be off by {:.2g}; {} of {} "
      "elements are beyond",
      e.worst, e.got, e.want, e.bound, e.beyond, e.count);
}

bool above(const std::optional<OwnError>& e) {
  return e && e->exceeds();
}

const StageRow* first_wrong(const std::vector<StageRow>& rows) {
  const auto at = std::ranges::find_if(
      rows, [](const StageRow& r) { return above(r.alone) || above(r.in_place); });
  return at == rows.end() ? nullptr : &*at;
}

Verdict wrong_stage(const StageRow& row) {
  Verdict v{.kind = VerdictKind::wrong_stage, .at = row.at, .headline = {}, .why = {}};
  v.only_in_place = row.alone && !above(row.alone);
  const OwnError& e = above(row.alone) ? *row.alone : *row.in_place;
  v.headline = fmt::format(
      "wrong: {} is the first stage above its floor; its own error is {:.3g}, "
      "{}",
      to_string(row.at), e.relative,
      e.non_finite != 0 ? "with values that are not finite" : times(e.ratio));
  v.why.push_back(own_error_text(e));
  if (v.only_in_place) {
    v.why.push_back(
        "the same unit is right on the reference's inputs: it goes wrong only in its own run, so "
        "look for state, a buffer that is reused, or a cache");
  }
  return v;
}

Verdict wrong_good(const StageRow& row) {
  Verdict v{.kind = VerdictKind::wrong_good, .at = row.at, .headline = {}, .why = {}};
  v.headline = fmt::format(
      "the good end is not good: {} is {} there, and no stage of the bad end is above its own",
      to_string(row.at), times(row.good->ratio));
  v.why.push_back(own_error_text(*row.good));
  return v;
}

Verdict not_repeatable(const char* end, StageAt at) {
  Verdict v{.kind = VerdictKind::not_repeatable, .at = at, .headline = {}, .why = {}};
  v.headline = fmt::format("not repeatable: run again, the {} end gives other bits from {} on", end,
                           to_string(at));
  v.why.push_back("a race or memory that is read before it is written; settle this first");
  return v;
}

Verdict wrong_weights(const StageRow& row) {
  Verdict v{.kind = VerdictKind::wrong_weights, .at = row.at, .headline = {}, .why = {}};
  v.headline = fmt::format(
      "wrong weights: at {} the stored weights are off by {:.3g}, and {} explains {:.3g}",
      to_string(row.at), row.weights->relative, row.weights->types, row.weights->predicted);
  v.why.push_back("every operation is right; what was stored is not. refute diff names the tensor");
  return v;
}

Verdict other_run(const Symptom& s) {
  Verdict v{.kind = VerdictKind::other_run, .at = {}, .headline = {}, .why = {}};
  v.headline = fmt::format("not reproduced: the failing run said token {}, this one says {}",
                           *s.reported, s.bad.decided() ? fmt::format("{}", s.bad.token()) : "NaN");
  v.why.push_back("what was traced is not what failed: another path, other weights, other tokens");
  return v;
}

/// The stage that comes nearest to its floor.
const StageRow* nearest(const std::vector<StageRow>& rows) {
  const StageRow* best = nullptr;
  for (const StageRow& row : rows) {
    const OwnError* e = row.own();
    if (e != nullptr && (best == nullptr || e->ratio > best->own()->ratio)) best = &row;
  }
  return best;
}

std::string decision_text(const Evidence& e) {
  const Symptom& s = e.symptom;
  if (!s.known) return "no logits of both ends: whether they decide alike is not known";
  if (!s.differs()) {
    return fmt::format("both ends decide token {} after {} common ones, by a margin of {:.3g}",
                       s.good.token(), s.common.size(), s.bad.margin());
  }
  if (e.replicas == 0) {
    return fmt::format("the decision differs, {} instead of {}, by a margin of {:.3g}",
                       s.bad.token(), s.good.token(), s.bad.margin());
  }
  return fmt::format(
      "the decision differs, {} instead of {}, by a margin of {:.3g}; {} of {} runs with noise of "
      "the predicted size decide otherwise than the reference as well",
      s.bad.token(), s.good.token(), s.bad.margin(), e.flips, e.replicas);
}

Verdict noise(const Evidence& e, std::size_t judged) {
  Verdict v{.kind = VerdictKind::noise, .at = {}, .headline = {}, .why = {}};
  v.headline = fmt::format("noise, not a bug: all {} stages are at or below their floor", judged);
  const StageRow* row = nearest(e.rows);
  v.why.push_back(fmt::format("the nearest is {}: its own error is {:.3g} of its floor",
                              to_string(row->at), row->own()->ratio));
  v.why.push_back(decision_text(e));
  const StageRow& last = e.rows.back();
  if (last.quantisation && last.implementation && last.quantisation->relative > 0) {
    v.why.push_back(fmt::format(
        "at {} the two ends differ by {:.3g}: {:.3g} of it comes from the other weights, {:.3g} "
        "from rounding",
        to_string(last.at), last.total ? last.total->relative : 0.0, last.quantisation->relative,
        last.implementation->relative));
  }
  return v;
}

Verdict not_judged(const Evidence& e, std::size_t judged) {
  Verdict v{.kind = VerdictKind::not_judged, .at = {}, .headline = {}, .why = {}};
  v.headline = judged == 0
                   ? "not judged: what a stage inherits and what it adds cannot be told apart here"
                   : fmt::format(
                         "not judged: {} of {} stages are at or below their floor, the others lack "
                         "their inputs",
                         judged, e.rows.size());
  v.why.push_back(decision_text(e));
  return v;
}

}  // namespace

bool Symptom::differs() const {
  if (!known) return false;
  if (!good.decided() || !bad.decided()) return good.decided() != bad.decided();
  return good.token() != bad.token();
}

bool Symptom::reproduced() const {
  return !reported || !known || (bad.decided() && bad.token() == *reported);
}

ExitCode exit_code(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::wrong_stage:
    case VerdictKind::wrong_good:
    case VerdictKind::wrong_weights:
    case VerdictKind::not_repeatable:
      return ExitCode::findings;
    case VerdictKind::noise:
      return ExitCode::ok;
    case VerdictKind::other_run:
      return ExitCode::no_verdict;
    case VerdictKind::not_judged:
      return ExitCode::incomplete;
  }
  return ExitCode::internal;
}

Verdict conclude(const Evidence& e) {
  if (!e.symptom.reproduced()) return other_run(e.symptom);
  if (e.good_unrepeated) return not_repeatable("good", *e.good_unrepeated);
  if (e.bad_unrepeated) return not_repeatable("bad", *e.bad_unrepeated);
  if (const StageRow* row = first_wrong(e.rows)) return wrong_stage(*row);
  const auto good = std::ranges::find_if(e.rows, [](const StageRow& r) { return above(r.good); });
  if (good != e.rows.end()) return wrong_good(*good);
  const auto weights = std::ranges::find_if(
      e.rows, [](const StageRow& r) { return r.weights && r.weights->exceeds(); });
  if (weights != e.rows.end()) return wrong_weights(*weights);
  const auto judged = static_cast<std::size_t>(
      std::ranges::count_if(e.rows, [](const StageRow& r) { return r.own() != nullptr; }));
  if (judged == e.rows.size() && judged != 0) return noise(e, judged);
  return not_judged(e, judged);
}

}  // namespace refute::bisect
