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

/// Where the elements beyond their bound lie: one column points at a weight, one row at a token.
std::string extent_text(const OwnError& e) {
  const std::string beyond = fmt::format("{} of {} elements are beyond", e.beyond, e.count);
  const std::size_t row = e.worst / e.columns(), column = e.worst % e.columns();
  if (e.beyond == 1 || e.beyond == e.count) return beyond;
  if (e.beyond_columns == 1) return beyond + fmt::format(", all in column {}", column);
  if (e.beyond_rows == 1) return beyond + fmt::format(", all in row {}", row);
  return beyond + fmt::format(", in {} of {} rows and {} of {} columns", e.beyond_rows, e.rows,
                              e.beyond_columns, e.columns());
}

std::string own_error_text(const OwnError& e) {
  if (e.non_finite != 0) {
    return fmt::format("{} of {} values are NaN or infinite, on finite inputs; {}", e.non_finite,
                       e.count, extent_text(e));
  }
  return fmt::format(
      "row {}, column {}: got {:.9g}, its inputs make it {:.9g}, and it may be off "
      "by {:.2g}; {}",
      e.worst / e.columns(), e.worst % e.columns(), e.got, e.want, e.bound, extent_text(e));
}

bool above(const std::optional<OwnError>& e) {
  return e && e->exceeds();
}

const StageRow* first_wrong(const std::vector<StageRow>& rows) {
  const auto at = std::ranges::find_if(
      rows, [](const StageRow& r) { return above(r.alone) || above(r.in_place); });
  return at == rows.end() ? nullptr : &*at;
}

}  // namespace

std::string decision_text(const Evidence& e) {
  const Symptom& s = e.symptom;
  if (!s.known) return "no logits of both ends: whether they decide alike is not known";
  if (!s.good.decided() || !s.bad.decided()) {
    return fmt::format("the {} end's logits are not finite, so it decides nothing",
                       s.good.decided() ? "bad" : "good");
  }
  if (!s.differs()) {
    return fmt::format("both ends decide token {}; the bad end by a margin of {:.3g}",
                       s.good.token(), s.bad.margin());
  }
  std::string text = fmt::format("the decision differs: {} by {:.3g}, {} by {:.3g} at the bad end",
                                 s.good.token(), s.good.margin(), s.bad.token(), s.bad.margin());
  if (e.replicas == 0) return text;
  return text + fmt::format("; {} of {} runs with noise of the predicted size differ as well",
                            e.flips, e.replicas);
}

namespace {

Verdict wrong_stage(const Evidence& evidence, const StageRow& row) {
  const std::vector<StageRow>& rows = evidence.rows;
  Verdict v{.kind = VerdictKind::wrong_stage, .at = row.at, .headline = {}, .why = {}};
  v.only_in_place = row.alone && !above(row.alone);
  const OwnError& e = above(row.alone) ? *row.alone : *row.in_place;
  v.headline = fmt::format(
      "wrong: {} is the first stage above its floor; {}", to_string(row.at),
      e.non_finite != 0 ? fmt::format("{} of its {} values are not finite", e.non_finite, e.count)
                        : fmt::format("its own error is {:.3g}, {}", e.relative, times(e.ratio)));
  v.why.push_back(own_error_text(e));
  const auto before =
      std::count_if(rows.data(), &row, [](const StageRow& r) { return r.own() == nullptr; });
  if (before != 0) {
    v.why.push_back(fmt::format("{} stages before it could not be judged", before));
  }
  if (v.only_in_place) {
    v.why.push_back(
        "the same unit is right on the reference's inputs: it goes wrong only in its own run, so "
        "look for state, a buffer that is reused, or a cache");
  }
  v.why.push_back(decision_text(evidence));
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
      "wrong weights: at {} the stored weights are off by {:.3g}, and {} makes that {:.3g} at most",
      to_string(row.at), row.weights->stored, row.weights->types, row.weights->band);
  v.why.push_back("every operation is right; what was stored is not. refute diff names the tensor");
  return v;
}

Verdict other_run(const Symptom& s) {
  Verdict v{.kind = VerdictKind::other_run, .at = {}, .headline = {}, .why = {}};
  v.headline = fmt::format(
      "not reproduced: the failing run said token {} after the prompt, this one says {}",
      *s.reported, s.first.decided() ? fmt::format("{}", s.first.token()) : "NaN");
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

/// What the popular rule would have said, which fires on every healthy four-bit model.
std::optional<std::string> popular_rule_text(const Evidence& e) {
  const auto row = std::ranges::find_if(
      e.rows, [](const StageRow& r) { return r.total && !(r.total->cosine >= 0.999); });
  if (row == e.rows.end() || row->predicted_total <= 0) return std::nullopt;
  return fmt::format(
      "\"first stage under 0.999\" would have named {}: cosine {:.5f}, where noise of the "
      "predicted "
      "size alone gives {:.5f}",
      to_string(row->at), row->total->cosine, row->predicted_cosine);
}

Verdict noise(const Evidence& e, std::size_t judged) {
  Verdict v{.kind = VerdictKind::noise, .at = {}, .headline = {}, .why = {}};
  v.headline = fmt::format("noise, not a bug: all {} stages are at or below their floor", judged);
  const StageRow* row = nearest(e.rows);
  v.why.push_back(fmt::format("the nearest is {}: its own error is {:.3g} of its floor",
                              to_string(row->at), row->own()->ratio));
  v.why.push_back(decision_text(e));
  if (const auto text = popular_rule_text(e)) v.why.push_back(*text);
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

const StageRow* first_unexplained(const std::vector<StageRow>& rows) {
  const auto at = std::ranges::find_if(rows, unexplained);
  return at == rows.end() ? nullptr : &*at;
}

/// What could be judged is right, and yet an end is somewhere else: whatever it is, it is no noise.
Verdict more_than_noise(const Evidence& e, const StageRow& row, std::size_t judged) {
  Verdict v{.kind = VerdictKind::not_judged, .at = {}, .headline = {}, .why = {}};
  const auto apart = [](const StageRow& r) {
    const bool good =
        r.good_implementation &&
        !(r.implementation && r.implementation->relative >= r.good_implementation->relative);
    return fmt::format(
        "the {} end is {:.3g} from the reference, {:.2g} times what rounding makes "
        "of it",
        good ? "good" : "bad", (good ? *r.good_implementation : *r.implementation).relative,
        times_predicted(r));
  };
  v.headline =
      fmt::format("not judged: more than noise from {} on: {}", to_string(row.at), apart(row));
  const auto most = std::ranges::max_element(e.rows, {}, times_predicted);
  if (&*most != &row) {
    v.why.push_back(fmt::format("the furthest is {}: {}", to_string(most->at), apart(*most)));
  }
  v.why.push_back(
      fmt::format("{} of {} stages of the bad end could be judged and are at or below "
                  "their floor",
                  judged, e.rows.size()));
  const auto first =
      std::ranges::find_if(e.rows, [](const StageRow& r) { return r.own() == nullptr; });
  if (first != e.rows.end()) {
    v.why.push_back(
        fmt::format("the first that could not is {}: {}", to_string(first->at), first->unjudged));
  }
  v.why.push_back(decision_text(e));
  return v;
}

/// Captures without a model: where they first differ, which says where to begin and not who is
/// wrong.
Verdict inherited_only(const Evidence& e) {
  const auto differs = std::ranges::find_if(
      e.rows, [](const StageRow& row) { return row.total && !row.total->bitwise; });
  const bool complete =
      std::ranges::all_of(e.rows, [](const StageRow& row) { return row.total.has_value(); });
  if (differs == e.rows.end() && complete && !e.rows.empty()) {
    Verdict same{.kind = VerdictKind::noise, .at = {}, .headline = {}, .why = {}};
    same.headline =
        fmt::format("identical: all {} stages have the same bits in both captures", e.rows.size());
    same.why.push_back(decision_text(e));
    return same;
  }
  Verdict v{.kind = VerdictKind::not_judged, .at = {}, .headline = {}, .why = {}};
  v.headline = "not judged: without MODEL only inherited error is known, and no stage's own";
  if (differs != e.rows.end()) {
    v.why.push_back(
        fmt::format("they first differ at {}, by {:.3g}: quantisation or rounding may "
                    "be all of it; name MODEL to know",
                    to_string(differs->at), differs->total->relative));
  }
  v.why.push_back(decision_text(e));
  return v;
}

Verdict not_judged(const Evidence& e, std::size_t judged) {
  if (!e.with_model) return inherited_only(e);
  Verdict v{.kind = VerdictKind::not_judged, .at = {}, .headline = {}, .why = {}};
  v.headline =
      judged == 0
          ? fmt::format("not judged: too little was captured of all {} stages", e.rows.size())
          : fmt::format(
                "not judged: {} of {} stages are at or below their floor, and of the "
                "others too little was captured",
                judged, e.rows.size());
  const auto first =
      std::ranges::find_if(e.rows, [](const StageRow& r) { return r.own() == nullptr; });
  v.why.push_back(fmt::format("the first is {}: {}", to_string(first->at), first->unjudged));
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
  return !reported || !known || (first.decided() && first.token() == *reported);
}

std::optional<Error> refuse_reported(std::optional<std::uint32_t> reported,
                                     const DecoderConfig& config) {
  if (!reported || *reported < config.vocab) return std::nullopt;
  return Error{fmt::format("token {} is none of this model's {}: no run of it said that", *reported,
                           config.vocab),
               "--says is the id of the token that the failing run gave right after the prompt"};
}

ExitCode exit_code(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::wrong_config:
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

double times_predicted(const StageRow& row) {
  if (!(row.predicted_rounding > 0) || std::isinf(row.predicted_rounding)) return 0;
  double most = 0;
  for (const auto& end : {row.implementation, row.good_implementation}) {
    if (!end) continue;
    const double times = end->relative / row.predicted_rounding;
    most = std::isnan(times) ? INFINITY : std::max(most, times);
  }
  return most;
}

bool unexplained(const StageRow& row) {
  return !(times_predicted(row) <= kUnexplained);
}

Verdict conclude(const Evidence& e) {
  if (!e.symptom.reproduced()) return other_run(e.symptom);
  if (e.good_unrepeated) return not_repeatable("good", *e.good_unrepeated);
  if (e.bad_unrepeated) return not_repeatable("bad", *e.bad_unrepeated);
  if (const StageRow* row = first_wrong(e.rows)) return wrong_stage(e, *row);
  const auto good = std::ranges::find_if(e.rows, [](const StageRow& r) { return above(r.good); });
  if (good != e.rows.end()) return wrong_good(*good);
  const auto weights = std::ranges::find_if(
      e.rows, [](const StageRow& r) { return r.weights && r.weights->exceeds(); });
  if (weights != e.rows.end()) return wrong_weights(*weights);
  const auto judged = static_cast<std::size_t>(
      std::ranges::count_if(e.rows, [](const StageRow& r) { return r.own() != nullptr; }));
  if (const StageRow* row = first_unexplained(e.rows)) return more_than_noise(e, *row, judged);
  if (judged == e.rows.size() && judged != 0) return noise(e, judged);
  return not_judged(e, judged);
}

}  // namespace refute::bisect
