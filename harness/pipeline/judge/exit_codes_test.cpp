#include "harness/pipeline/judge/exit_codes.hpp"

#include "harness/catch.hpp"
#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/sample_test.hpp"
#include "harness/pipeline/judge/tally.hpp"

namespace refute::pipeline {
namespace {

using namespace sample;
using Codes = std::vector<ExitCode>;

Codes codes(const std::vector<Evidence>& run, const Demands& demands = {},
            const Claim& claim = encode_claim()) {
  const std::vector<Contract> contracts = {{{"CRUX-B-11"}, "1.0.0", "c.yaml", {claim}}};
  return all_that_apply(contracts, judge(contracts, today(), run), run, demands);
}

TEST_CASE("a run that is as expected exits 0, also where the claim is expected to be refuted") {
  CHECK(codes(full(encode_claim())) == Codes{ExitCode::ok});
  CHECK(codes(full(round_trip_claim()), {}, round_trip_claim()) == Codes{ExitCode::ok});
}

TEST_CASE("each outcome calls for its exit code") {
  const Claim claim = encode_claim();
  const auto with = [&](const Verdict& verdict, Arm arm = Arm::subject,
                        const std::string& mutant = "") {
    return codes(full(claim) + record(claim, "cpu_simd", verdict, arm, mutant));
  };
  CHECK(with(counterexample()) == Codes{ExitCode::findings});
  CHECK(with(Crashed{}) == Codes{ExitCode::findings});
  CHECK(with(Nondeterministic{}) == Codes{ExitCode::findings});
  CHECK(with(TimedOut{}) == Codes{ExitCode::no_verdict});
  CHECK(with(Broken{}) == Codes{ExitCode::no_verdict});
  CHECK(with(Declined{}) == Codes{ExitCode::ok});
  CHECK(with(Survived{}, Arm::mutant, "truncate") == Codes{ExitCode::vacuous});
  CHECK(with(Survived{}, Arm::negated) == Codes{ExitCode::vacuous});
  CHECK(with(Crashed{}, Arm::negated) == Codes{ExitCode::findings});
  CHECK(codes(full(round_trip_claim()) + record(round_trip_claim(), "cpu_simd"), {},
              round_trip_claim()) == Codes{ExitCode::findings});
}

TEST_CASE("no job that counts as failed leaves the exit at 0") {
  const Claim claim = encode_claim();
  const std::vector<Contract> contracts = {contract()};
  for (const Verdict& verdict :
       {Verdict(Survived{}), Verdict(counterexample()), Verdict(Declined{}), Verdict(Crashed{}),
        Verdict(TimedOut{}), Verdict(Broken{}), Verdict(Nondeterministic{})}) {
    for (const Arm arm : {Arm::subject, Arm::mutant, Arm::negated, Arm::control}) {
      const std::vector<Evidence> run = {record(claim, "cpu_simd", verdict, arm, "truncate")};
      CAPTURE(std::string(to_string(verdict)), std::string(to_string(arm)));
      const bool ran = !std::holds_alternative<Declined>(verdict);
      CHECK((tally(contracts, run).failed == 0 && ran) == (first_of(codes(run)) == ExitCode::ok));
    }
  }
}

TEST_CASE("a run in which nothing ran is never one in which everything held") {
  const Claim claim = encode_claim();
  const std::vector<Evidence> declined = {record(claim, "cpu_scalar", Declined{}),
                                          record(claim, "cpu_simd", Declined{})};
  CHECK(codes({}) == Codes{ExitCode::nothing_selected});
  CHECK(codes(declined) == Codes{ExitCode::incomplete});
  CHECK(codes(declined + record(claim, "cpu_simd", Survived{})) == Codes{ExitCode::ok});
}

TEST_CASE("a demanded level") {
  const Claim claim = encode_claim();
  const Demands functional{Level::functional, {}}, discharged{Level::discharged, {}};
  CHECK(codes(full(claim), discharged) == Codes{ExitCode::ok});
  std::vector<Evidence> one_declined =
      power(claim) + record(claim, "cpu_scalar") + record(claim, "cpu_simd", Declined{});
  CHECK(codes(one_declined, functional) == Codes{ExitCode::incomplete});
  CHECK(codes(power(claim) + record(claim, "cpu_scalar"), functional) == Codes{ExitCode::findings});
  CHECK(codes(one_declined) == Codes{ExitCode::ok});
}

TEST_CASE("a required job may not be declined") {
  const Claim claim = encode_claim();
  Demands demands;
  demands.required = [](const Evidence& e) { return e.subject.text == "cpu_simd"; };
  CHECK(codes(full(claim) + record(claim, "cpu_simd", Declined{}), demands) ==
        Codes{ExitCode::incomplete});
  CHECK(codes(full(claim) + record(claim, "cpu_scalar", Declined{}), demands) ==
        Codes{ExitCode::ok});
}

TEST_CASE("several codes come in the order of precedence, the first is the exit") {
  const Claim claim = encode_claim();
  const Codes all = codes(full(claim) + record(claim, "cpu_simd", counterexample()) +
                          record(claim, "cpu_simd", TimedOut{}) +
                          record(claim, "cpu_simd", Survived{}, Arm::negated));
  CHECK(all == Codes{ExitCode::findings, ExitCode::vacuous, ExitCode::no_verdict});
  CHECK(first_of(all) == ExitCode::findings);
  CHECK(first_of({}) == ExitCode::ok);
  CHECK(first_of({ExitCode::nothing_selected, ExitCode::ok, ExitCode::stale}) == ExitCode::stale);
  CHECK(in_order({ExitCode::ok, ExitCode::ok}) == Codes{ExitCode::ok});
  CHECK(in_order({ExitCode::nothing_selected, ExitCode::incomplete, ExitCode::stale,
                  ExitCode::no_verdict, ExitCode::vacuous, ExitCode::findings,
                  ExitCode::not_verified, ExitCode::usage, ExitCode::internal}) ==
        Codes{ExitCode::internal, ExitCode::usage, ExitCode::not_verified, ExitCode::findings,
              ExitCode::vacuous, ExitCode::no_verdict, ExitCode::stale, ExitCode::incomplete,
              ExitCode::nothing_selected});
}

TEST_CASE("the canary is not counted") {
  Evidence canary = record(encode_claim(), "cpu_simd", counterexample());
  canary.claim = {"CANARY-001"};
  const std::vector<Evidence> run = full(encode_claim()) + canary +
                                    record(encode_claim(), "cpu_simd", Declined{}) +
                                    record(encode_claim(), "cpu_simd", Broken{});
  CHECK(to_line(tally({contract()}, run)) == "6 passed, 1 failed, 1 skipped");
  CHECK(codes(full(encode_claim()) + canary) == Codes{ExitCode::ok});
  CHECK(codes({canary}) == Codes{ExitCode::nothing_selected});
}

}  // namespace
}  // namespace refute::pipeline
