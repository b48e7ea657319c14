#include "harness/pipeline/judge/judge.hpp"

#include <algorithm>

#include "harness/catch.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/requirement.hpp"
#include "harness/pipeline/judge/sample_test.hpp"

namespace refute::pipeline {
namespace {

using namespace sample;
using Records = std::vector<Evidence>;

ClaimLedger judged(const Claim& claim, const Records& evidence, const Today& now = today()) {
  Contract only{{"CRUX-B-11"}, "1.0.0", "contracts/crux-B-11-v1.yaml", {claim}};
  return judge({only}, now, evidence).claims.at(0);
}

Level level(const Claim& claim, const Records& evidence, const Today& now = today()) {
  return judged(claim, evidence, now).level;
}

/// The evidence without the records that `drop` picks.
template <class Drop>
Records without(Records evidence, Drop drop) {
  std::erase_if(evidence, drop);
  return evidence;
}

/// The evidence with `change` made to each record, digests filled in anew.
template <class Change>
Records changed(Records evidence, Change change) {
  for (Evidence& e : evidence) {
    change(e);
    e = with_record(std::move(e));
  }
  return evidence;
}

bool has_cap(const ClaimLedger& claim, CapKind kind, const std::string& who) {
  return std::ranges::find(claim.caps, Cap{kind, who}) != claim.caps.end();
}

bool has_blocker(const ClaimLedger& claim, BlockerKind kind) {
  return std::ranges::any_of(claim.blockers, [&](const Blocker& b) { return b.kind == kind; });
}

Level level_of(const ClaimLedger& claim, const std::string& subject) {
  for (const SubjectLedger& s : claim.subjects) {
    if (s.subject.text == subject) return s.level;
  }
  throw std::runtime_error("no subject " + subject);
}

TEST_CASE("a claim without a row is UNBOUND, whatever evidence there is") {
  Today now = today();
  now.bound.erase(encode_claim().id);
  CHECK(level(encode_claim(), full(encode_claim()), now) == Level::unbound);
  CHECK(level(encode_claim(), {}) == Level::open);
}

TEST_CASE("full evidence reaches the highest level that the contract asks for") {
  const ClaimLedger encode = judged(encode_claim(), full(encode_claim()));
  CHECK(encode.level == Level::discharged);
  CHECK(encode.next.empty());
  CHECK(encode.blockers.empty());
  CHECK(encode.mutants_named == 2);
  CHECK(encode.mutants_killed == 2);
  CHECK(encode.records.size() == 6);  // two subjects, two mutants, two negated checks
  CHECK(level(device_claim(), full(device_claim())) == Level::functional);
  CHECK(level(round_trip_claim(), full(round_trip_claim())) == Level::functional);
}

TEST_CASE("each level needs its requirement met on every subject") {
  const Claim claim = encode_claim();
  SECTION("one subject has not run") {
    const Records evidence = without(full(claim), [](const Evidence& e) {
      return e.arm == Arm::subject && e.subject.text == "cpu_simd";
    });
    const ClaimLedger ledger = judged(claim, evidence);
    CHECK(ledger.level == Level::open);
    CHECK(level_of(ledger, "cpu_scalar") == Level::discharged);
    CHECK(level_of(ledger, "cpu_simd") == Level::open);
    CHECK(ledger.next == "PARTIAL_ALGORITHM_LEVEL: cpu_simd survives");
  }
  SECTION("one subject agrees only within a tolerance") {
    const Records evidence = changed(full(claim), [](Evidence& e) {
      if (e.subject.text == "cpu_simd") e.outcome.agreement = Agreement::tolerance;
    });
    const ClaimLedger ledger = judged(claim, evidence);
    CHECK(ledger.level == Level::functional);
    CHECK(ledger.next == "DISCHARGED: cpu_simd shows bytewise agreement over the whole space");
  }
  SECTION("bytewise, but not over the whole space") {
    const auto on_a_file = [](Evidence& e) { e.outcome.domain = Domain::fixture; };
    CHECK(level(claim, changed(full(claim), on_a_file)) == Level::functional);
    Claim bytewise = claim;
    bytewise.requirements[Level::discharged].agreement = "bytewise";
    CHECK(level(bytewise, changed(full(bytewise), on_a_file)) == Level::discharged);
  }
}

TEST_CASE("a level without a requirement is not reached, nor is any above it") {
  Claim claim = encode_claim();
  SECTION("a gap below") {
    claim.requirements.erase(Level::partial_algorithm_level);
    const ClaimLedger ledger = judged(claim, full(claim));
    CHECK(ledger.level == Level::open);
    CHECK(has_blocker(ledger, BlockerKind::spec_open));
  }
  SECTION("nothing above") {
    claim.requirements.erase(Level::discharged);
    const ClaimLedger ledger = judged(claim, full(claim));
    CHECK(ledger.level == Level::functional);
    CHECK(ledger.blockers.empty());
    CHECK(ledger.next == "the contract does not say what DISCHARGED takes");
  }
}

TEST_CASE("a requirement that anything would meet is met by nothing") {
  Claim claim = encode_claim();
  SECTION("FUNCTIONAL that names nothing live") {
    claim.requirements[Level::functional].live = false;
    CHECK(level(claim, full(claim)) == Level::partial_algorithm_level);
    CHECK(has_blocker(judged(claim, full(claim)), BlockerKind::spec_open));
  }
  SECTION("DISCHARGED by a single machine") {
    claim.requirements[Level::discharged] = {};
    claim.requirements[Level::discharged].machines = 1;
    CHECK(level(claim, changed(full(claim), [](Evidence& e) { e = attested(e, {'1'}); })) ==
          Level::functional);
  }
  SECTION("an agreement that is no word") {
    claim.requirements[Level::discharged].agreement = "roughly";
    CHECK(level(claim, full(claim)) == Level::functional);
  }
  SECTION("no subject at all") {
    Records evidence = full(claim);
    claim.subjects.clear();
    CHECK(level(claim, evidence) == Level::open);
  }
}

TEST_CASE("a device's level needs evidence from a device of at least that capability") {
  const Claim claim = device_claim();
  const auto on = [&](const std::string& architecture) {
    Today now = today();
    now.architecture = architecture;
    const Records evidence = changed(full(claim), [&](Evidence& e) {
      if (e.subject.text == "cuda") e.provenance.architecture = architecture;
    });
    return level(claim, evidence, now);
  };
  CHECK(on("sm_89") == Level::partial_algorithm_level);
  CHECK(on("sm_90") == Level::functional);
  CHECK(on("sm_90a") == Level::functional);
  CHECK(on("sm_100a") == Level::functional);
  CHECK(on("") == Level::partial_algorithm_level);
  CHECK(on("gfx942") == Level::partial_algorithm_level);
}

TEST_CASE("a fixture's level needs a record that read that fixture") {
  const Claim claim = round_trip_claim();
  const auto with = [&](Domain domain, const std::string& name) {
    return level(claim, changed(full(claim), [&](Evidence& e) {
                   e.outcome.domain = domain;
                   if (!e.outcome.inputs.empty()) e.outcome.inputs[0].name = name;
                 }));
  };
  CHECK(with(Domain::fixture, "minilm-l6-v2") == Level::functional);
  CHECK(with(Domain::generated, "minilm-l6-v2") == Level::partial_algorithm_level);
  CHECK(with(Domain::fixture, "another-file") == Level::partial_algorithm_level);
}

TEST_CASE("code is live when it ran on every input; a sample of generated ones is not") {
  const Claim claim = encode_claim();
  const auto sampled = [](Evidence& e) { e.outcome.domain = Domain::generated; };
  CHECK(level(claim, full(claim)) == Level::discharged);
  CHECK(level(claim, changed(full(claim), sampled)) == Level::partial_algorithm_level);
}

TEST_CASE("a command's level needs a record that ran live") {
  Claim claim = encode_claim();
  claim.requirements[Level::functional] = {};
  claim.requirements[Level::functional].command = "refute quantize";
  CHECK(level(claim, full(claim)) == Level::partial_algorithm_level);
  const auto live = [](Evidence& e) { e.outcome.domain = Domain::live; };
  CHECK(level(claim, changed(full(claim), live)) == Level::functional);
}

TEST_CASE("machines count once each, and only for the record that they reproduced") {
  Claim claim = encode_claim();
  claim.requirements[Level::discharged] = {};
  claim.requirements[Level::discharged].machines = 2;
  const auto by = [&](const std::vector<char>& machines) {
    return level(
        claim, changed(full(claim), [&](Evidence& e) { e.attestations.clear(); }) + [&] {
          Records all;
          for (const Evidence& e : full(claim)) {
            all.push_back(attested(e, machines));
          }
          return all;
        }());
  };
  CHECK(by({}) == Level::functional);
  CHECK(by({'1'}) == Level::functional);
  CHECK(by({'1', '1'}) == Level::functional);
  CHECK(by({'1', '2'}) == Level::discharged);

  SECTION("two machines with different results agree on nothing") {
    Records evidence = power(claim);
    for (const char machine : {'1', '2'}) {
      for (const char* subject : {"cpu_scalar", "cpu_simd"}) {
        Evidence e = record(claim, subject);
        e.outcome.result_digest = {std::string(64, machine)};
        evidence.push_back(attested(e, {machine}));
      }
    }
    CHECK(level(claim, evidence) == Level::functional);
  }
  SECTION("the attestations of one record may come in two copies of it") {
    Records evidence = full(claim);
    for (const Evidence& e : full(claim)) {
      evidence.push_back(attested(e, {'1'}));
      evidence.push_back(attested(e, {'2'}));
    }
    CHECK(level(claim, evidence) == Level::discharged);
  }
}

TEST_CASE("one fresh refutation demotes at once, and only on a subject of the claim") {
  const Claim claim = encode_claim();
  Evidence bad = record(claim, "cpu_simd", counterexample());
  const ClaimLedger ledger = judged(claim, full(claim) + bad);
  CHECK(ledger.level == Level::refuted);
  CHECK(level_of(ledger, "cpu_simd") == Level::refuted);
  CHECK(level_of(ledger, "cpu_scalar") == Level::discharged);
  CHECK(ledger.refuting == std::vector<Digest>{bad.record});

  const Evidence other = record(claim, "numpy", counterexample());
  const ClaimLedger beside = judged(claim, full(claim) + other);
  CHECK(beside.level == Level::discharged);
  CHECK(level_of(beside, "numpy") == Level::refuted);
}

TEST_CASE("crashed, timed out, broken and nondeterministic cap at OPEN") {
  const Claim claim = encode_claim();
  const std::vector<std::pair<Verdict, CapKind>> caps = {
      {Crashed{11, 0, "killed by SIGSEGV"}, CapKind::crashed},
      {TimedOut{60}, CapKind::timed_out},
      {Broken{"no record"}, CapKind::broken},
      {Nondeterministic{"refuted, then survived"}, CapKind::nondeterministic},
  };
  for (const auto& [verdict, kind] : caps) {
    CAPTURE(std::string(to_string(verdict)));
    const ClaimLedger ledger = judged(claim, full(claim) + record(claim, "cpu_simd", verdict));
    CHECK(ledger.level == Level::open);
    CHECK(has_cap(ledger, kind, "cpu_simd"));
    CHECK_FALSE(ledger.vacuous());
    CHECK_FALSE(ledger.next.empty());
    // A refutation stands above the cap.
    CHECK(level(claim, full(claim) + record(claim, "cpu_simd", verdict) +
                           record(claim, "cpu_simd", counterexample())) == Level::refuted);
  }
  CHECK(level(claim, full(claim) + record(claim, "cpu_simd", Declined{})) == Level::discharged);
}

TEST_CASE("every mutant has to die") {
  const Claim claim = encode_claim();
  const auto with = [&](const std::vector<Evidence>& truncate) {
    return judged(claim, without(full(claim), [](const Evidence& e) {
                           return e.mutant.text == "truncate";
                         }) + truncate);
  };
  const auto mutant = [&](Verdict verdict) {
    return record(claim, "cpu_scalar", std::move(verdict), Arm::mutant, "truncate");
  };
  CHECK(with({mutant(counterexample())}).level == Level::discharged);
  CHECK(with({mutant(Crashed{6, 0, "SIGABRT"})}).level == Level::discharged);

  const ClaimLedger alive = with({mutant(Survived{})});
  CHECK(alive.level == Level::open);
  CHECK(alive.vacuous());
  CHECK(has_cap(alive, CapKind::mutant_lives, "truncate"));
  CHECK(alive.mutants_killed == 1);

  for (const Verdict& verdict : {Verdict(TimedOut{60}), Verdict(Declined{}), Verdict(Broken{})}) {
    const ClaimLedger unproven = with({mutant(verdict)});
    CHECK(unproven.level == Level::open);
    CHECK_FALSE(unproven.vacuous());
    CHECK(has_cap(unproven, CapKind::power_unproven, "truncate"));
  }
  CHECK(has_cap(with({}), CapKind::power_unproven, "truncate"));
  // Dead under one seed does not make up for alive under another.
  CHECK(with({mutant(Survived{}), mutant(counterexample())}).vacuous());
}

TEST_CASE("the negated check has to be refuted on each subject that counts") {
  const Claim claim = encode_claim();
  const auto with = [&](const std::vector<Evidence>& negated) {
    return judged(claim, without(full(claim), [](const Evidence& e) {
                           return e.arm == Arm::negated && e.subject.text == "cpu_simd";
                         }) + negated);
  };
  CHECK(with({record(claim, "cpu_simd", counterexample(), Arm::negated)}).level ==
        Level::discharged);
  const ClaimLedger alive = with({record(claim, "cpu_simd", Survived{}, Arm::negated)});
  CHECK(alive.level == Level::open);
  CHECK(has_cap(alive, CapKind::negated_survives, "cpu_simd"));
  CHECK(alive.vacuous());
  const ClaimLedger missing = with({});
  CHECK(missing.level == Level::open);
  CHECK_FALSE(missing.vacuous());
  CHECK(missing.next == "PARTIAL_ALGORITHM_LEVEL: the negated check on cpu_simd is refuted");
  // A crash shows nothing about a comparison.
  CHECK(with({record(claim, "cpu_simd", Crashed{}, Arm::negated)}).level == Level::open);
}

TEST_CASE("a subject that was declined needs no negated check") {
  const Claim claim = device_claim();
  const Records evidence =
      without(full(claim), [](const Evidence& e) { return e.subject.text == "cuda"; }) +
      record(claim, "cuda", Declined{DeclineReason::no_device, "no CUDA device"});
  Today now = today();
  now.architecture = "";
  const ClaimLedger ledger = judged(claim, evidence, now);
  CHECK(ledger.level == Level::partial_algorithm_level);
  CHECK(has_blocker(ledger, BlockerKind::device_absent));
}

TEST_CASE("a survival of nothing is none") {
  const Claim claim = encode_claim();
  const auto nothing = [](Evidence& e) {
    if (e.arm == Arm::subject) e.outcome.coverage = {0, 0, 100, 0};
  };
  CHECK(level(claim, changed(full(claim), nothing)) == Level::open);
  const auto uncompared = [](Evidence& e) {
    if (e.arm == Arm::subject) e.outcome.coverage.comparisons = 0;
  };
  CHECK(level(claim, changed(full(claim), uncompared)) == Level::open);
  const auto dead_without_a_case = [](Evidence& e) {
    if (e.arm == Arm::mutant) e.outcome.coverage.cases = 0;
  };
  CHECK(level(claim, changed(full(claim), dead_without_a_case)) == Level::open);
}

TEST_CASE("expect: refuted turns the outcomes round and asks for a living control") {
  const Claim claim = round_trip_claim();
  CHECK(level(claim, full(claim)) == Level::functional);
  SECTION("a survival is the finding") {
    CHECK(level(claim, full(claim) + record(claim, "cpu_simd", Survived{})) == Level::refuted);
  }
  SECTION("no control") {
    const ClaimLedger ledger = judged(
        claim, without(full(claim), [](const Evidence& e) { return e.arm == Arm::control; }));
    CHECK(ledger.level == Level::open);
    CHECK(has_cap(ledger, CapKind::power_unproven, "five_mantissa_bits"));
  }
  SECTION("a check that refutes its control as well") {
    const ClaimLedger ledger = judged(
        claim, full(claim) + record(claim, "five_mantissa_bits", counterexample(), Arm::control));
    CHECK(ledger.level == Level::open);
    CHECK(ledger.vacuous());
    CHECK(has_cap(ledger, CapKind::control_refuted, "five_mantissa_bits"));
  }
  SECTION("somebody else's control") {
    Records evidence = changed(full(claim), [](Evidence& e) {
      if (e.arm == Arm::control) e.subject = {"six_mantissa_bits"};
    });
    CHECK(level(claim, evidence) == Level::open);
  }
  SECTION("a claim that names no control") {
    Claim unnamed = claim;
    unnamed.control.reset();
    CHECK(level(unnamed, full(claim)) == Level::open);
  }
}

TEST_CASE("each digest makes evidence stale on its own, and is named") {
  const auto stale_part = [](const Claim& claim, const Records& evidence, const Today& now) {
    const ClaimLedger ledger = judged(claim, evidence, now);
    REQUIRE_FALSE(ledger.stale.empty());
    REQUIRE(ledger.stale[0].changed.size() == 1);
    return std::pair(ledger.level, ledger.stale[0].changed[0]);
  };
  SECTION("the claim") {
    Claim claim = encode_claim();
    const Records evidence = full(claim);
    claim.clause.set("rule", "every f16 value encodes to a neighbouring E4M3 code");
    const auto [level, why] = stale_part(claim, evidence, today());
    CHECK(level == Level::open);
    CHECK(why.part == Part::claim);
  }
  SECTION("the source of one backend") {
    Today now = today();
    now.bound[device_claim().id].sources["cuda"] = {std::string(64, '0')};
    const auto [level, why] = stale_part(device_claim(), full(device_claim()), now);
    CHECK(level == Level::partial_algorithm_level);  // the CPU's evidence is still fresh
    CHECK(why == Difference{Part::source, "cuda", kCudaSource, std::string(64, '0')});
  }
  SECTION("the source of a subject server") {
    Today now = today();
    now.bound[encode_claim().id].sources["cpu_simd"] = {std::string(64, '0')};
    const auto [level, why] = stale_part(encode_claim(), full(encode_claim()), now);
    CHECK(level == Level::open);
    CHECK(why.part == Part::source);
  }
  SECTION("an input") {
    Today now = today();
    now.fixtures["minilm-l6-v2"] = {std::string(64, '0')};
    const auto [level, why] = stale_part(round_trip_claim(), full(round_trip_claim()), now);
    CHECK(level == Level::open);
    CHECK(why == Difference{Part::input, "minilm-l6-v2", kMiniLm, std::string(64, '0')});
  }
  SECTION("the architecture") {
    Today now = today();
    now.architecture = "sm_100a";
    const auto [level, why] = stale_part(device_claim(), full(device_claim()), now);
    CHECK(level == Level::partial_algorithm_level);
    CHECK(why == Difference{Part::architecture, "", "sm_90a", "sm_100a"});
  }
}

TEST_CASE("what cannot be known here has not changed, and is said") {
  Today bare = today();
  bare.fixtures.clear();
  bare.architecture = "";
  const ClaimLedger device = judged(device_claim(), full(device_claim()), bare);
  CHECK(device.level == Level::functional);
  CHECK(device.stale.empty());
  CHECK(device.unknown == std::vector<std::string>{"there is no GPU here (sm_90a in the record)"});
  CHECK(level(round_trip_claim(), full(round_trip_claim()), bare) == Level::functional);
  // Without evidence the same absences block, by name.
  CHECK(has_blocker(judged(round_trip_claim(),
                           power(round_trip_claim()) +
                               record(round_trip_claim(), "cpu_scalar", counterexample()) +
                               record(round_trip_claim(), "cpu_simd", counterexample()),
                           bare),
                    BlockerKind::fixture_absent));
}

TEST_CASE("a subject that no worker offers blocks") {
  Today now = today();
  now.bound[encode_claim().id].subjects = {{"cpu_scalar"}};
  const ClaimLedger ledger = judged(encode_claim(), full(encode_claim()), now);
  CHECK(ledger.level == Level::open);
  CHECK(level_of(ledger, "cpu_simd") == Level::unbound);
  CHECK(has_blocker(ledger, BlockerKind::upstream_missing));
}

TEST_CASE("evidence of another contract under the same id does not count") {
  Records evidence = changed(full(encode_claim()), [](Evidence& e) { e.contract = {"OTHER"}; });
  CHECK(level(encode_claim(), evidence) == Level::open);
}

TEST_CASE("a subject's backend is told by its name") {
  // "cuda_fused" is no key of the sources: its evidence rests on its backend's.
  Claim claim = device_claim();
  claim.subjects = {{"cpu_scalar"}, {"cuda_fused"}};
  claim.requirements[Level::functional].subjects = {{"cuda_fused"}};
  Today now = today();
  now.bound[claim.id].subjects = {{"cpu_scalar"}, {"cuda_fused"}};
  CHECK(level(claim, full(claim), now) == Level::functional);
  now.bound[claim.id].sources["cuda"] = {std::string(64, '0')};
  CHECK(level(claim, full(claim), now) == Level::partial_algorithm_level);
}

TEST_CASE("a requirement counts machines by itself, also where nothing was merged before") {
  Requirement two;
  two.machines = 2;
  const Evidence e = record(encode_claim(), "cpu_simd");
  CHECK(lacks(two, attested(e, {'1', '2'})).empty());
  CHECK_FALSE(lacks(two, attested(e, {'1', '1'})).empty());
  Evidence foreign = attested(e, {'1', '2'});
  foreign.attestations[1].record = {std::string(64, '0')};
  CHECK_FALSE(lacks(two, foreign).empty());
}

TEST_CASE("an architecture's capability is read, or is none") {
  CHECK(sm_of("sm_90a") == 90);
  CHECK(sm_of("sm_120") == 120);
  for (const char* no : {"", "sm_", "sm_a", "90", "sm_-90", "sm_90ab", "sm_99999999999"}) {
    CAPTURE(no);
    CHECK_FALSE(sm_of(no));
  }
}

}  // namespace
}  // namespace refute::pipeline
