#include "harness/pipeline/execute/plan.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <set>

#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/digest/sha256.hpp"

namespace refute::pipeline {
namespace {

Claim claim(const std::string& id) {
  Claim c;
  c.id = {id};
  c.subjects = {{"cpu_scalar"}, {"cpu_simd"}};
  c.mutants = {{"truncate"}};
  c.parameters = {{"cases", Value(100), std::nullopt, ""}};
  c.machine_read = true;
  c.clause = Value(id);
  return c;
}

Row row(const std::string& id) {
  Row r;
  r.claim = {id};
  r.subjects = {{"cpu_scalar"}, {"cpu_simd"}};
  r.mutants = {{"truncate"}};
  r.controls = {{"wide"}};
  r.parameters = {"cases"};
  r.operations = {"fp8.encode"};
  return r;
}

Contract contract_of(std::vector<Claim> claims) {
  Contract c;
  c.id = {"X"};
  c.file = "x-v1.yaml";
  c.claims = std::move(claims);
  return c;
}

WorkerInfo worker_of(std::vector<Row> rows) {
  WorkerInfo w;
  w.path = "/falsify_x";
  w.name = "falsify_x";
  w.contract = {"X"};
  w.source = {{"cpu", {"source"}}};
  w.file = {"file"};
  w.rows = std::move(rows);
  return w;
}

WorkerInfo server_of(const std::string& name, std::vector<std::string> operations) {
  WorkerInfo w;
  w.path = "/serve_" + name;
  w.kind = WorkerKind::subject;
  w.contract = {"X"};
  w.subject = {name};
  w.operations = std::move(operations);
  w.file = {"server file"};
  return w;
}

/// Contracts, registry and bindings that point at each other.
struct World {
  std::vector<Contract> contracts;
  Registry registry;
  Bindings bindings;

  World(std::vector<Claim> claims, std::vector<Row> rows, std::vector<WorkerInfo> servers = {}) {
    contracts = {contract_of(std::move(claims))};
    registry.workers = {worker_of(std::move(rows))};
    for (WorkerInfo& server : servers) registry.workers.push_back(std::move(server));
    bindings = bind_claims(contracts, registry);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::vector<std::string> codes() const {
    std::vector<std::string> codes;
    for (const Diagnostic& d : bindings.diagnostics) codes.push_back(d.code);
    return codes;
  }
  std::vector<PlannedJob> jobs(PlanOptions options = {}) const {
    auto planned = plan(bindings.bound, options);
    REQUIRE(planned);
    return std::move(*planned);
  }
};

std::unique_ptr<World> world_of(int claims) {
  std::vector<Claim> all;
  std::vector<Row> rows;
  for (int i = 0; i < claims; ++i) {
    all.push_back(claim("C-" + std::to_string(i)));
    rows.push_back(row("C-" + std::to_string(i)));
  }
  return std::make_unique<World>(std::move(all), std::move(rows));
}

std::string describe(const PlannedJob& planned) {
  const Job& job = planned.job;
  return job.claim.text + " " + job.subject.text + " " + std::string(to_string(job.arm)) + " " +
         job.mutant.text;
}

std::vector<std::string> describe(const std::vector<PlannedJob>& jobs) {
  std::vector<std::string> out;
  for (const PlannedJob& planned : jobs) out.push_back(describe(planned));
  return out;
}

PlanOptions selecting(Selection selection) {
  PlanOptions options;
  options.selection = std::move(selection);
  return options;
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("a claim and a row that agree bind without a word") {
  const World world({claim("C-1")}, {row("C-1")});
  CHECK(world.codes().empty());
  REQUIRE(world.bindings.bound.size() == 1);
  CHECK(world.bindings.bound[0].subjects.size() == 2);
}

TEST_CASE("gaps and orphans on either side are found") {
  SECTION("a claim that no row carries") {
    const World world({claim("C-1"), claim("C-2")}, {row("C-1")});
    CHECK(world.codes() == Strings{"RF0811"});
    CHECK(has_errors(world.bindings.diagnostics));
  }
  SECTION("a prose claim without a row is only a warning") {
    Claim prose = claim("C-2");
    prose.machine_read = false;
    const World world({claim("C-1"), prose}, {row("C-1")});
    CHECK(world.codes() == Strings{"RF0811"});
    CHECK_FALSE(has_errors(world.bindings.diagnostics));
  }
  SECTION("a misspelt row is an orphan, and the claim it meant is named") {
    const World world({claim("CLAIM-001")}, {row("CLAIM-01")});
    CHECK(world.codes() == Strings{"RF0811", "RF0812"});
    CHECK(world.bindings.diagnostics[1].file == "/falsify_x");
    CHECK(world.bindings.diagnostics[1].help == "is CLAIM-001 meant?");
  }
  SECTION("a contract that no worker speaks for") {
    const std::vector<Contract> contracts = {contract_of({claim("C-1")})};
    CHECK(bind_claims(contracts, {}).diagnostics.at(0).code == "RF0811");
  }
}

TEST_CASE("what claim and row say of mutants, subjects, parameters and controls is compared") {
  Claim c = claim("C-1");
  Row r = row("C-1");
  SECTION("an unknown mutant") {
    c.mutants = {{"truncat"}};
    const World world({c}, {r});
    CHECK(world.codes() == Strings{"RF0813", "RF0814"});
    CHECK(world.bindings.diagnostics[0].help == "did you mean `truncate`?");
    CHECK(world.bindings.diagnostics[1].severity == Severity::info);
  }
  SECTION("an unknown subject") {
    c.subjects.push_back({"cuda"});
    CHECK(World({c}, {r}).codes() == Strings{"RF0815"});
  }
  SECTION("a subject that is offered and not asked for") {
    c.subjects.pop_back();
    const World world({c}, {r});
    CHECK(world.codes() == Strings{"RF0816"});
    CHECK_FALSE(has_errors(world.bindings.diagnostics));
    CHECK(world.bindings.bound[0].subjects.size() == 1);
  }
  SECTION("no subject at all") {
    c.subjects.clear();
    CHECK(World({c}, {r}).codes() == Strings{"RF0820", "RF0816", "RF0816"});
  }
  SECTION("a parameter that the row reads and the claim lacks") {
    r.parameters.push_back("tolerance");
    CHECK(World({c}, {r}).codes() == Strings{"RF0817"});
  }
  SECTION("a parameter that nobody reads") {
    c.parameters.push_back({"tolerance", Value(0.1), Origin::chosen, "because"});
    const World world({c}, {r});
    CHECK(world.codes() == Strings{"RF0818"});
    CHECK_FALSE(has_errors(world.bindings.diagnostics));
  }
  SECTION("an unknown control") {
    c.control = SubjectName{"narrow"};
    CHECK(World({c}, {r}).codes() == Strings{"RF0819"});
  }
}

TEST_CASE("a value that the falsifier cannot take is refused at its place in the file") {
  Claim c = claim("C-1");
  c.parameters = {{"cases", Value(Value::List{Value(1), Value("lots")}), std::nullopt, ""}};
  c.parameters[0].span = {7, 5, 7, 20};
  c.parameters[0].items = {{7, 6, 7, 7}, {7, 9, 7, 13}};
  Contract contract = contract_of({c});
  Registry registry;
  registry.workers = {worker_of({row("C-1")})};
  ParameterRule& rule = registry.workers[0].parameters.emplace_back();
  rule.name = "cases";
  rule.kind = ParameterRule::Kind::counts;
  const auto found = bind_claims({contract}, registry).diagnostics;
  REQUIRE(found.size() == 1);
  CHECK(found[0].code == "RF0823");
  CHECK(found[0].span.column == 9);
  contract.claims[0].parameters[0].value = Value::List{Value(1), Value(2)};
  CHECK(bind_claims({contract}, registry).diagnostics.empty());
}

TEST_CASE("a subject server is bound where it serves all that a row asks for") {
  Row two = row("C-2");
  two.operations = {"fp8.encode", "fp8.decode"};
  Row none = row("C-3");
  none.operations = {};
  const World world({claim("C-1"), claim("C-2"), claim("C-3")}, {row("C-1"), two, none},
                    {server_of("numpy", {"fp8.encode"})});
  CHECK(world.codes().empty());
  std::vector<PlannedJob> jobs =
      world.jobs(selecting({.claims = {}, .subjects = {"numpy"}, .level = {}, .shard = {}}));
  CHECK(describe(jobs) ==
        Strings{"C-1 numpy subject ", "C-1 cpu_scalar mutant truncate", "C-1 numpy negated "});
  CHECK(jobs[0].job.external_subject == "/serve_numpy");
  CHECK(jobs[0].provenance.source != jobs[1].provenance.source);
  CHECK(jobs[1].job.external_subject.empty());

  const World idle({claim("C-3")}, {none}, {server_of("numpy", {"fp8.encode"})});
  CHECK(idle.codes() == Strings{"RF0808"});
}

TEST_CASE("a worker that the user named and no contract asks for is an error") {
  const std::vector<Contract> contracts = {contract_of({claim("C-1")})};
  Registry registry;
  registry.workers = {worker_of({row("C-1")}), server_of("numpy", {"fp8.encode"})};
  registry.workers[1].contract = {"Y"};
  CHECK(bind_claims(contracts, registry).diagnostics.empty());
  registry.workers[1].named = true;
  const Diagnostics found = bind_claims(contracts, registry).diagnostics;
  REQUIRE(found.size() == 1);
  CHECK(found[0].code == "RF0806");
  CHECK(found[0].file == "/serve_numpy");
}

TEST_CASE("a claim gives its subjects, its mutants and its negated checks") {
  const World world({claim("C-1")}, {row("C-1")});
  CHECK(describe(world.jobs()) == Strings{"C-1 cpu_scalar subject ", "C-1 cpu_simd subject ",
                                          "C-1 cpu_scalar mutant truncate",
                                          "C-1 cpu_scalar negated ", "C-1 cpu_simd negated "});
  PlanOptions without;
  without.vacuity = false;
  CHECK(world.jobs(without).size() == 2);
}

TEST_CASE("a claim that is expected to be refuted gives its control instead") {
  Claim c = claim("C-1");
  c.expect = Expect::refuted;
  c.mutants.clear();
  c.control = SubjectName{"wide"};
  const World world({c}, {row("C-1")});
  CHECK(describe(world.jobs()) ==
        Strings{"C-1 cpu_scalar subject ", "C-1 cpu_simd subject ", "C-1 wide control "});
}

TEST_CASE("exclusive rows get every thread, the others one") {
  Row r = row("C-1");
  r.exclusive = true;
  const World world({claim("C-1"), claim("C-2")}, {r, row("C-2")});
  PlanOptions options;
  options.threads = 8;
  for (const PlannedJob& planned : world.jobs(options)) {
    const bool exclusive = planned.job.claim.text == "C-1";
    CHECK(planned.exclusive == exclusive);
    CHECK(planned.job.threads == (exclusive ? 8u : 1u));
  }
}

TEST_CASE("selection by claim, subject and level") {
  Claim third = claim("C-12");
  third.requirements[Level::functional].live = true;
  const World world({claim("C-1"), claim("C-2"), third}, {row("C-1"), row("C-2"), row("C-12")});
  const auto claims_of = [&](Selection selection) {
    std::set<std::string> ids;
    for (const PlannedJob& planned : world.jobs(selecting(std::move(selection))))
      ids.insert(planned.job.claim.text);
    return ids;
  };
  CHECK(claims_of({.claims = {"C-1"}, .subjects = {}, .level = {}, .shard = {}}) ==
        std::set<std::string>{"C-1"});
  CHECK(claims_of({.claims = {"C-1*"}, .subjects = {}, .level = {}, .shard = {}}) ==
        std::set<std::string>{"C-1", "C-12"});
  CHECK(claims_of({.claims = {}, .subjects = {}, .level = Level::functional, .shard = {}}) ==
        std::set<std::string>{"C-12"});
  const auto none = plan(world.bindings.bound,
                         selecting({.claims = {"C-22"}, .subjects = {}, .level = {}, .shard = {}}));
  REQUIRE_FALSE(none);
  CHECK(none.error().what == "no claim matches 'C-22'");
  CHECK(none.error().hint.starts_with("did you mean `C-"));
  const auto gpu =
      plan(world.bindings.bound,
           selecting({.claims = {}, .subjects = {"cpu_smd"}, .level = {}, .shard = {}}));
  REQUIRE_FALSE(gpu);
  CHECK(gpu.error().hint == "did you mean `cpu_simd`?");
}

TEST_CASE("shards are a partition for every number of them") {
  const auto owned = world_of(40);
  const World& world = *owned;
  const Strings all = describe(world.jobs());
  for (unsigned count = 1; count <= 9; ++count) {
    Strings together;
    for (unsigned index = 1; index <= count; ++index) {
      const Strings part = describe(world.jobs(
          selecting({.claims = {}, .subjects = {}, .level = {}, .shard = {index, count}})));
      together.insert(together.end(), part.begin(), part.end());
    }
    CAPTURE(count);
    Strings sorted_all = all;
    std::sort(sorted_all.begin(), sorted_all.end());
    std::sort(together.begin(), together.end());
    CHECK(together == sorted_all);
  }
}

TEST_CASE("claims that are added, removed or moved change no other claim's jobs, seeds or shard") {
  std::mt19937 engine(7);
  const auto full = world_of(30);
  std::map<std::string, std::pair<std::string, Seed>> known;
  for (const PlannedJob& planned : full->jobs())
    known[describe(planned)] = {planned.job.id, planned.job.seed};
  for (int round = 0; round < 20; ++round) {
    std::vector<int> kept(30);
    for (int i = 0; i < 30; ++i) kept[static_cast<std::size_t>(i)] = i;
    std::shuffle(kept.begin(), kept.end(), engine);
    kept.resize(1 + engine() % 30);
    std::vector<Claim> claims;
    std::vector<Row> rows;
    for (const int i : kept) {
      claims.push_back(claim("C-" + std::to_string(i)));
      rows.push_back(row("C-" + std::to_string(i)));
    }
    const World world(claims, rows);
    for (const PlannedJob& planned : world.jobs()) {
      CHECK(known.at(describe(planned)) == std::pair(planned.job.id, planned.job.seed));
      CHECK(shard_of({"X"}, planned.job.claim, 5) <= 5);
    }
  }
}

TEST_CASE("ids are unique; seeds follow the run's seed and differ between claims and subjects") {
  const auto owned = world_of(20);
  const World& world = *owned;
  std::set<std::string> ids;
  std::set<std::uint64_t> seeds;
  PlanOptions options;
  for (const std::uint64_t run_seed : {0, 1}) {
    options.run_seed = {run_seed};
    for (const PlannedJob& planned : world.jobs(options)) {
      ids.insert(planned.job.id);
      seeds.insert(planned.job.seed.value);
    }
  }
  CHECK(ids.size() == 2 * 20 * 5);
  CHECK(seeds.size() == 2 * 20 * 2);
  CHECK(describe(world.jobs(options)) == describe(world.jobs()));
}

TEST_CASE("shards are read strictly") {
  REQUIRE(parse_shard("2/5"));
  CHECK(parse_shard("2/5")->index == 2);
  for (const char* text :
       {"", "2", "0/5", "6/5", "1/0", "-1/5", "1/5x", "1//5", " 1/5", "1/99999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_shard(text));
  }
}

TEST_CASE("fixtures are passed on only when they are what their index says") {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("refute_fixtures_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  fs::create_directories(folder / "fixtures");
  std::ofstream(folder / "good.bin") << "weights";
  std::ofstream(folder / "changed.bin") << "other weights";
  const std::string digest = sha256_of("weights").text;
  const auto row_of = [&](const std::string& name) {
    return R"({"name": ")" + name + R"(", "path": ")" + name + R"(.bin", "sha256": ")" + digest +
           R"("})";
  };
  const std::string index = (folder / "fixtures" / "index.json").string();
  std::ofstream(index) << "[" + row_of("good") + "," + row_of("changed") + "," + row_of("missing") +
                              "]";
  const std::string cache_path = (folder / "digests.jsonl").string();
  LineCache cache(cache_path);
  FileDigests digests(cache);
  const Fixtures found = find_fixtures(index, {"good", "changed", "missing", "unknown"}, digests);
  CHECK(found.paths ==
        std::map<std::string, std::string>{{"good", (folder / "good.bin").string()}});
  CHECK(found.absent == std::set<std::string>{"changed", "missing", "unknown"});
  REQUIRE(found.diagnostics.size() == 1);
  CHECK(found.diagnostics[0].code == "RF0821");
  CHECK(found.diagnostics[0].file == (folder / "changed.bin").string());
  const std::string odd_index = (folder / "fixtures" / "odd.json").string();
  std::ofstream(odd_index) << R"([{"name": "good", "path": "good.bin", "sha256": "abc"}])";
  const Fixtures odd = find_fixtures(odd_index, {"good"}, digests);
  CHECK(odd.paths.empty());
  CHECK(odd.diagnostics.at(0).code == "RF0822");

  Row r = row("C-1");
  r.fixtures = {"good", "missing"};
  const World world({claim("C-1")}, {r});
  std::vector<PlannedJob> jobs = world.jobs();
  attach(jobs, found);
  CHECK(jobs[0].job.fixtures ==
        std::map<std::string, std::string>{{"good", (folder / "good.bin").string()}});
  CHECK(jobs[0].fixture_digests.at("good").text == digest);

  CHECK(find_fixtures((folder / "none.json").string(), {"good"}, digests).absent ==
        std::set<std::string>{"good"});
  fs::remove_all(folder);
}

TEST_CASE("digests of files are remembered until the file changes") {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / ("refute_digests_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const std::string path = (folder / "file").string(),
                    cache_path = (folder / "cache.jsonl").string();
  std::ofstream(path) << "one";
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
  {
    LineCache cache(cache_path);
    CHECK(*FileDigests(cache).of(path) == sha256_of("one"));
  }
  LineCache cache(cache_path);
  REQUIRE(cache.lines().size() == 1);
  // Same size, and content changed under an unchanged time: only the cache can give the old digest
  // now.
  const auto time = fs::last_write_time(path);
  std::ofstream(path) << "two";
  fs::last_write_time(path, time);
  CHECK(*FileDigests(cache).of(path) == sha256_of("one"));
  fs::last_write_time(path, time + std::chrono::seconds(1));
  CHECK(*FileDigests(cache).of(path) == sha256_of("two"));
  fs::remove_all(folder);
}

}  // namespace refute::pipeline
