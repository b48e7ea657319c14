#include "harness/worker/property.hpp"

#include <bit>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/catch.hpp"
#include "harness/worker/errors.hpp"

using namespace refute;
using namespace refute::worker;

namespace {

Job job_with_seed(std::uint64_t seed) {
  Job job;
  job.claim = {"FALSIFY-TEST-001"};
  job.seed = {seed};
  return job;
}

CaseSpace small_space() {
  CaseSpace space;
  space.families = {Family::zeros, Family::uniform, Family::normal};
  space.max_rows = 8;
  space.max_cols = 64;
  space.max_specials = 3;
  return space;
}

CaseFailed at(std::uint64_t index) {
  return {"element " + std::to_string(index), Value(index), index};
}

/// Fails where a value is above the limit; a property with a known least counterexample.
CaseCheck no_value_above(float limit) {
  return [limit](const TensorCase&, std::span<const float> w) -> CaseResult {
    for (std::size_t i = 0; i < w.size(); ++i) {
      if (!(w[i] <= limit)) return at(i);
    }
    return CasePassed{};
  };
}

const Refuted& refutation(const Verdict& v) {
  REQUIRE(std::holds_alternative<Refuted>(v));
  return std::get<Refuted>(v);
}

Outcome outcome_of(Context& context, Verdict verdict) {
  return context.outcome(std::move(verdict));
}

/// As a user's shell may have it; set before RapidCheck reads it for the first time.
const bool kRcParamsSet = [] { return ::setenv("RC_PARAMS", "max_success=0 seed=1", 1) == 0; }();

}  // namespace

TEST_CASE("RC_PARAMS changes nothing: all cases run, and a false property is refuted") {
  REQUIRE(kRcParamsSet);
  Context context(job_with_seed(1));
  int calls = 0;
  const Verdict holds = check_property(
      context, 500, small_space(), [&](const TensorCase&, std::span<const float>) -> CaseResult {
        ++calls;
        context.compare().equal(1, 1, "one");
        return CasePassed{};
      });
  CHECK(std::holds_alternative<Survived>(holds));
  CHECK(calls == 500);
  CHECK(outcome_of(context, holds).coverage.cases == 500);

  Context other(job_with_seed(1));
  const Verdict fails =
      check_property(other, 500, small_space(),
                     [](const TensorCase&, std::span<const float>) -> CaseResult { return at(0); });
  CHECK(std::holds_alternative<Refuted>(fails));
}

TEST_CASE("A counterexample shrinks to one element, and replays exactly") {
  Context context(job_with_seed(3));
  const Verdict v = check_property(context, 1000, small_space(), no_value_above(0.75f));
  const Value& counterexample = refutation(v).counterexample;
  const auto least = tensor_case_from(counterexample);
  REQUIRE(least);
  CHECK(least->size() == 1);
  std::vector<float> w;
  expand(*least, w);
  CHECK(w[0] > 0.75f);
  CHECK(context.outcome(v).coverage.shrinks > 0);

  Job again = job_with_seed(999);  // the replay, not the seed, says what runs
  again.replay = counterexample;
  Context replay(again);
  const Verdict second = check_property(replay, 1000, small_space(), no_value_above(0.75f));
  CHECK(refutation(second) == refutation(v));
  CHECK(replay.outcome(second).coverage.cases == 1);
}

TEST_CASE("The offender is tried alone, and with the largest element where it needs it") {
  CaseSpace space = small_space();
  space.families = {Family::normal};
  space.min_cols = space.max_cols = 64;
  space.max_specials = 0;
  Context context(job_with_seed(4));
  // Fails only in company: an element below a hundredth of the largest.
  const Verdict v = check_property(context, 200, space,
                                   [](const TensorCase&, std::span<const float> w) -> CaseResult {
                                     float largest = 0;
                                     for (float x : w) largest = std::max(largest, std::fabs(x));
                                     for (std::size_t i = 0; i < w.size(); ++i) {
                                       if (w[i] != 0 && std::fabs(w[i]) < largest / 100)
                                         return at(i);
                                     }
                                     return CasePassed{};
                                   });
  const auto least = tensor_case_from(refutation(v).counterexample);
  REQUIRE(least);
  CHECK(least->family == Family::zeros);
  CHECK(least->specials.size() == 2);
}

TEST_CASE(
    "The same seed gives the same verdict and coverage, another seed another counterexample") {
  const auto run = [](std::uint64_t seed) {
    Context context(job_with_seed(seed));
    CaseSpace space = small_space();
    return context.outcome(check_property(context, 300, space, no_value_above(2.9f)));
  };
  const Outcome a = run(11), b = run(11), c = run(12);
  CHECK(refutation(a.verdict) == refutation(b.verdict));
  CHECK(a.coverage == b.coverage);
  CHECK_FALSE(refutation(a.verdict) == refutation(c.verdict));
}

TEST_CASE("Cases stay inside their space") {
  CaseSpace space = small_space();
  space.min_rows = 2;
  space.min_cols = 17;
  space.column_step = 16;
  space.max_cols = 70;
  Context context(job_with_seed(5));
  std::size_t specials = 0;
  const auto check = [&](const TensorCase& c, std::span<const float> w) -> CaseResult {
    const bool inside =
        c.rows >= 2 && c.rows <= 8 && c.cols >= 32 && c.cols <= 64 && c.cols % 16 == 0;
    bool finite = true;
    for (float x : w) finite = finite && std::isfinite(x);
    specials += c.specials.size();
    context.compare().holds(inside && finite, "inside");
    return inside && finite && w.size() == c.size() ? CaseResult(CasePassed{}) : CaseResult(at(0));
  };
  CHECK(std::holds_alternative<Survived>(check_property(context, 2000, space, check)));
  CHECK(specials > 500);
}

TEST_CASE("Too many discards are no survival") {
  Context context(job_with_seed(6));
  const Verdict v = check_property(
      context, 100, small_space(),
      [](const TensorCase&, std::span<const float>) -> CaseResult { return CaseDiscarded{}; });
  REQUIRE(std::holds_alternative<Declined>(v));
  CHECK(std::get<Declined>(v).reason == DeclineReason::zero_cases);
  const Coverage coverage = context.outcome(v).coverage;
  CHECK(coverage.cases == 0);
  CHECK(coverage.discards > 100);
}

TEST_CASE("A survival that compared nothing is declined") {
  Context context(job_with_seed(7));
  const Verdict v = check_property(
      context, 10, small_space(),
      [](const TensorCase&, std::span<const float>) -> CaseResult { return CasePassed{}; });
  CHECK(std::holds_alternative<Survived>(v));
  const Outcome outcome = context.outcome(v);
  REQUIRE(std::holds_alternative<Declined>(outcome.verdict));
  CHECK(std::get<Declined>(outcome.verdict).reason == DeclineReason::zero_cases);
}

TEST_CASE("An exception is not taken for a counterexample") {
  Context context(job_with_seed(8));
  const auto check = [](const TensorCase&, std::span<const float>) -> CaseResult {
    throw SubjectFailure("died");
  };
  CHECK_THROWS_AS(check_property(context, 10, small_space(), check), SubjectFailure);
}

TEST_CASE("A subject that gives up on a smaller case has failed the larger one") {
  for (const bool dies : {false, true}) {
    Context context(job_with_seed(8));
    bool refuted = false;
    int given_up = 0;
    const auto check = [&](const TensorCase& c, std::span<const float>) -> CaseResult {
      if (c.size() >= 6) return refuted = true, at(0);
      if (!refuted) return CasePassed{};
      ++given_up;
      if (dies) throw SubjectFailure("died");
      throw SubjectDeclined(DeclineReason::not_served, "small tensors");
    };
    const Verdict v = check_property(context, 200, small_space(), check);
    const auto least = tensor_case_from(refutation(v).counterexample);
    REQUIRE(least);
    CHECK(least->size() >= 6);
    CHECK(given_up > 0);
    if (dies) CHECK(given_up == 1);  // nobody is left to ask
  }
}

TEST_CASE("The negated arm refutes what holds") {
  Job job = job_with_seed(9);
  job.arm = Arm::negated;
  Context context(job);
  const Verdict v = check_property(context, 50, small_space(),
                                   [&](const TensorCase&, std::span<const float> w) -> CaseResult {
                                     if (context.compare().bits(w, w)) return CasePassed{};
                                     return failed(context.compare());
                                   });
  CHECK(std::holds_alternative<Refuted>(v));
}

TEST_CASE("Empty spaces, absurd counts and damaged replays are named") {
  Context context(job_with_seed(10));
  const auto check = no_value_above(1);
  CHECK_THROWS_AS(check_property(context, 0, small_space(), check), JobError);
  CHECK_THROWS_AS(check_property(context, 1ull << 40, small_space(), check), JobError);
  CaseSpace none = small_space();
  none.families.clear();
  CHECK_THROWS_AS(check_property(context, 1, none, check), JobError);
  CaseSpace narrow = small_space();
  narrow.column_step = 100;
  CHECK_THROWS_AS(check_property(context, 1, narrow, check), JobError);
  for (const char* member : {"rows", "cols", "family", "seed"}) {
    Value damaged = to_value(TensorCase{2, 3, Family::normal, 4, {{1, 0x3f800000}}});
    CHECK(tensor_case_from(damaged));
    damaged.set(member, Value(-1));
    Job job = job_with_seed(1);
    job.replay = damaged;
    Context replay(job);
    CHECK_THROWS_AS(check_property(replay, 1, small_space(), check), JobError);
  }
}
