// The laws of the judge, over random worlds. The generator is a counter of our own: a world is its
// seed, and nothing in the environment can switch the cases off.

#include <algorithm>
#include <array>
#include <map>

#include "harness/catch.hpp"
#include "harness/digest/claim_digest.hpp"
#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/sample_test.hpp"

namespace refute::pipeline {
namespace {

using Records = std::vector<Evidence>;
constexpr std::uint64_t kWorlds = 800;

class Random {
 public:
  /// Seeds that are neighbours must not give streams that overlap, so the state is a mixed seed.
  explicit Random(std::uint64_t seed) : state_(seed) { state_ = next() ^ (next() << 1); }
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t n) { return next() % n; }
  bool once_in(std::size_t n) { return below(n) == 0; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  std::uint64_t state_;
};

const std::vector<SubjectName> kSubjects = {{"cpu_scalar"}, {"cpu_simd"}, {"cuda"}};

struct World {
  std::vector<Contract> contracts;
  Today today;
  Records evidence;

  Ledger judge() const { return pipeline::judge(contracts, today, evidence); }
  Claim& claim(std::size_t i) { return contracts[0].claims[i]; }
};

Claim random_claim(Random& random, std::size_t number) {
  Claim claim = random.pick(sample::contract().claims);
  claim.id.text = "FALSIFY-CRUX-B-11-10" + std::to_string(number);
  claim.clause = Value::Map{{"id", claim.id.text}};
  if (random.once_in(4)) claim.requirements.erase(Level::discharged);
  if (random.once_in(12)) claim.requirements.erase(Level::partial_algorithm_level);
  if (random.once_in(4)) claim.subjects.resize(1);
  if (random.once_in(4)) {
    claim.requirements[Level::discharged] = {};
    claim.requirements[Level::discharged].machines = 2;
  }
  return claim;
}

Evidence random_variation(Random& random, const Claim& claim, Evidence e) {
  const std::vector<Verdict> verdicts = {
      Survived{}, sample::counterexample(), Declined{}, Crashed{}, TimedOut{60},
      Broken{},   Nondeterministic{}};
  e.seed = {random.below(3)};
  if (random.once_in(8)) e.subject = random.pick(kSubjects);
  if (random.once_in(6)) e.outcome.verdict = random.pick(verdicts);
  if (e.arm == Arm::control && random.once_in(3)) e.outcome.verdict = sample::counterexample();
  if (random.once_in(8)) e.outcome.domain = static_cast<Domain>(random.below(4));
  if (random.once_in(8)) e.outcome.agreement = static_cast<Agreement>(random.below(3));
  if (random.once_in(20)) e.outcome.coverage.cases = 0;
  if (random.once_in(6)) e.outcome.inputs = {{"minilm-l6-v2", {sample::kMiniLm}}};
  if (random.once_in(12)) e.provenance.source = {std::string(64, '0')};
  if (random.once_in(12)) e.provenance.claim = {std::string(64, '0')};
  if (random.once_in(12)) e.arm = static_cast<Arm>(random.below(4));
  if (e.arm == Arm::mutant && !claim.mutants.empty()) e.mutant = random.pick(claim.mutants);
  std::vector<char> machines;
  while (random.once_in(2)) machines.push_back(static_cast<char>('1' + random.below(3)));
  return sample::attested(std::move(e), machines);
}

World random_world(std::uint64_t seed) {
  Random random(seed);
  World world;
  world.contracts = {{{"CRUX-B-11"}, "1.0.0", "contracts/crux-B-11-v1.yaml", {}}};
  world.today = sample::today();
  if (random.once_in(4)) world.today.architecture = "";
  const Binding binding = world.today.bound.begin()->second;
  for (std::size_t i = 0; i < 2; ++i) {
    const Claim claim = random_claim(random, i);
    world.contracts[0].claims.push_back(claim);
    if (!random.once_in(12)) world.today.bound[claim.id] = binding;
    for (const Evidence& e : sample::full(claim)) {
      if (random.once_in(10)) continue;
      world.evidence.push_back(random.once_in(3) ? random_variation(random, claim, e) : e);
      if (random.once_in(10)) world.evidence.push_back(random_variation(random, claim, e));
    }
  }
  return world;
}

std::vector<World> all_worlds() {
  std::vector<World> worlds;
  for (std::uint64_t seed = 1; seed <= kWorlds; ++seed) worlds.push_back(random_world(seed));
  return worlds;
}

/// Calls `law(world, random)` for every world, with the seed in the message.
template <class Law>
void for_all_worlds(Law law) {
  static const std::vector<World> kAll = all_worlds();
  for (std::uint64_t seed = 1; seed <= kWorlds; ++seed) {
    INFO("world " << seed);
    World world = kAll[seed - 1];
    Random random(seed + 1'000'000);
    law(world, random);
  }
}

Evidence expected_record(Random& random, const Claim& claim) {
  Records all = sample::full(claim);
  Evidence e = random.pick(all);
  e.seed = {random.below(5)};
  if (random.once_in(3)) e.outcome.domain = static_cast<Domain>(random.below(4));
  if (random.once_in(3)) e.outcome.agreement = static_cast<Agreement>(random.below(3));
  return sample::attested(std::move(e), {'1', '2'});
}

TEST_CASE("the random worlds reach every level and every cap") {
  std::map<Level, int> levels;
  std::map<CapKind, int> caps;
  int stale = 0;
  for_all_worlds([&](World& world, Random&) {
    for (const ClaimLedger& claim : world.judge().claims) {
      ++levels[claim.level];
      for (const Cap& cap : claim.caps) ++caps[cap.kind];
      stale += !claim.stale.empty();
    }
  });
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    INFO(kLevelNames[i]);
    CHECK(levels[static_cast<Level>(i)] > 20);
  }
  for (std::size_t i = 0; i < kCapNames.size(); ++i) {
    INFO(kCapNames[i]);
    CHECK(caps[static_cast<CapKind>(i)] > 3);
  }
  CHECK(stale > 50);
}

TEST_CASE("the order of evidence, contracts and claims does not matter") {
  for_all_worlds([](World& world, Random& random) {
    const Ledger before = world.judge();
    for (std::size_t i = world.evidence.size(); i > 1; --i) {
      std::swap(world.evidence[i - 1], world.evidence[random.below(i)]);
    }
    std::ranges::reverse(world.contracts[0].claims);
    REQUIRE(world.judge() == before);
  });
}

TEST_CASE("evidence given twice counts once") {
  for_all_worlds([](World& world, Random&) {
    const Ledger before = world.judge();
    world.evidence = sample::operator+(world.evidence, world.evidence);
    REQUIRE(world.judge() == before);
  });
}

TEST_CASE("more evidence of the expected outcome never lowers a level") {
  int raised = 0;
  for_all_worlds([&](World& world, Random& random) {
    const Claim claim = world.claim(random.below(2));
    const Level before = world.judge().find(claim.id)->level;
    world.evidence.push_back(expected_record(random, claim));
    const Level after = world.judge().find(claim.id)->level;
    REQUIRE((before == Level::refuted ? after == before : after >= before));
    REQUIRE((after != Level::refuted || before == after));
    raised += after > before;
  });
  CHECK(raised > 20);
}

TEST_CASE("one fresh contradiction refutes a bound claim, and nothing undoes it") {
  for_all_worlds([](World& world, Random& random) {
    const Claim claim = world.claim(random.below(2));
    if (!world.today.bound.contains(claim.id)) return;
    const Verdict verdict =
        claim.expect == Expect::survived ? Verdict(sample::counterexample()) : Survived{};
    Evidence bad = sample::record(claim, random.pick(claim.subjects).text, verdict);
    world.evidence.push_back(bad);
    if (bad.provenance.architecture != world.today.architecture &&
        !world.today.architecture.empty() && !bad.provenance.architecture.empty()) {
      return;
    }
    REQUIRE(world.judge().find(claim.id)->level == Level::refuted);
    for (int i = 0; i < 5; ++i) {
      world.evidence.push_back(expected_record(random, claim));
      world.evidence.push_back(random_variation(random, claim, expected_record(random, claim)));
    }
    REQUIRE(world.judge().find(claim.id)->level == Level::refuted);
  });
}

/// Judging with a digest changed gives what judging without the evidence that rests on it gives.
template <class Change, class RestsOnIt>
void check_staleness(Change change, RestsOnIt rests_on_it) {
  int lowered = 0;
  for_all_worlds([&](World& world, Random&) {
    const ClaimId id = world.claim(0).id;
    if (!world.today.bound.contains(id)) return;
    const Level before = world.judge().find(id)->level;
    change(world);
    const ClaimLedger after = *world.judge().find(id);
    World filtered = world;
    std::erase_if(filtered.evidence,
                  [&](const Evidence& e) { return e.claim == id && rests_on_it(e); });
    const ClaimLedger bare = *filtered.judge().find(id);
    REQUIRE(after.level == bare.level);
    REQUIRE(after.subjects == bare.subjects);
    REQUIRE(after.caps == bare.caps);
    REQUIRE(after.stale.size() >= bare.stale.size());
    lowered += after.level < before;
  });
  CHECK(lowered > 10);
}

TEST_CASE("a changed claim makes all of its evidence stale") {
  check_staleness([](World& world) { world.claim(0).clause.set("rule", "another"); },
                  [](const Evidence&) { return true; });
}

TEST_CASE("a changed source makes its own backend's evidence stale") {
  for (const std::string backend : {"cpu", "cuda"}) {
    check_staleness(
        [&](World& world) {
          world.today.bound[world.claim(0).id].sources[backend] = {std::string(64, '9')};
        },
        [&](const Evidence& e) { return backend_of(e.subject) == backend; });
  }
}

TEST_CASE("a changed input makes the evidence that read it stale") {
  check_staleness(
      [](World& world) { world.today.fixtures["minilm-l6-v2"] = {std::string(64, '9')}; },
      [](const Evidence& e) { return !e.outcome.inputs.empty(); });
}

TEST_CASE("another architecture makes GPU evidence stale") {
  check_staleness([](World& world) { world.today.architecture = "sm_120"; },
                  [](const Evidence& e) { return !e.provenance.architecture.empty(); });
}

TEST_CASE("limits, typed statuses and prose change nothing") {
  for_all_worlds([](World& world, Random& random) {
    const Ledger before = world.judge();
    for (Claim& claim : world.contracts[0].claims) {
      claim.limits = {static_cast<double>(random.below(1000)), 1};
      claim.status = "DISCHARGED";
      claim.blocked_on = {"BLOCKER-SPEC-OPEN"};
      claim.test = "exit 1";
    }
    REQUIRE(world.judge() == before);
  });
}

TEST_CASE("one claim's evidence is nothing to another") {
  for_all_worlds([](World& world, Random&) {
    const ClaimLedger before = *world.judge().find(world.claim(0).id);
    std::erase_if(world.evidence, [&](const Evidence& e) { return e.claim == world.claim(1).id; });
    REQUIRE(*world.judge().find(world.claim(0).id) == before);
  });
}

TEST_CASE("a capped claim stands at OPEN, or is refuted") {
  for_all_worlds([](World& world, Random&) {
    for (const ClaimLedger& claim : world.judge().claims) {
      if (claim.caps.empty()) continue;
      REQUIRE((claim.level == Level::open || claim.level == Level::refuted));
    }
  });
}

}  // namespace
}  // namespace refute::pipeline
