#include "harness/pipeline/execute/execute.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include <signal.h>
#include <unistd.h>

#include "harness/catch.hpp"
#include "harness/pipeline/execute/bench_overhead.hpp"

namespace refute::pipeline {
namespace {

PlannedJob job_for(const std::string& claim, Arm arm = Arm::subject, double time_s = 20) {
  PlannedJob planned;
  planned.job.contract = {"UNRULY"};
  planned.job.claim = {claim};
  planned.job.subject = {"cpu_scalar"};
  planned.job.arm = arm;
  if (arm == Arm::mutant) planned.job.mutant = {"truncate"};
  planned.job.limits = {time_s, 1024};
  planned.job.parameters = Value::Map{{"band", 0.5}, {"cases", 10}};
  planned.job.id = job_id(planned.job);
  planned.worker = UNRULY_WORKER;
  planned.provenance = {{"claim digest"}, {"source digest"}, ""};
  planned.declared = true;
  return planned;
}

std::string verdict_of(const std::string& claim, double time_s = 20) {
  return std::string(
      to_string(run_once(job_for(claim, Arm::subject, time_s), {}).evidence.outcome.verdict));
}

std::string broken_message(const std::string& claim) {
  const FinishedJob job = run_once(job_for(claim), {});
  const auto* broken = std::get_if<Broken>(&job.evidence.outcome.verdict);
  return broken == nullptr ? "not broken" : broken->message;
}

struct Collected {
  std::vector<FinishedJob> jobs;
  Execution execution;
  const Verdict& verdict(std::size_t index) const {
    for (const FinishedJob& job : jobs) {
      if (job.index == index) return job.evidence.outcome.verdict;
    }
    throw std::out_of_range("job did not finish");
  }
};

Collected execute_all(const std::vector<PlannedJob>& jobs, ExecuteOptions options = {}) {
  Collected collected;
  Observer observer;
  observer.finished = [&](FinishedJob job) -> std::optional<Error> {
    collected.jobs.push_back(std::move(job));
    return std::nullopt;
  };
  collected.execution = execute(jobs, options, observer);
  return collected;
}

std::string temporary(const std::string& name) {
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("refute_" + std::to_string(::getpid()) + "_" + name))
                               .string();
  std::filesystem::remove(path);
  return path;
}

}  // namespace

TEST_CASE("a record that fits its job is believed") {
  CHECK(verdict_of("SURVIVED") == "survived");
  CHECK(verdict_of("REFUTED") == "refuted");
  CHECK(verdict_of("DECLINED") == "declined");
  const FinishedJob job = run_once(job_for("REFUTED"), {});
  CHECK(std::get<Refuted>(job.evidence.outcome.verdict).message == "element 3 is wrong");
  CHECK(job.evidence.outcome.coverage.cases == 10);
  CHECK(job.err == "about to run REFUTED\n");
}

TEST_CASE("what ends without a word is a crash, what hangs is timed out") {
  CHECK(verdict_of("ABORTS") == "crashed");
  CHECK(verdict_of("SURVIVED-ABORTS") == "crashed");
  CHECK(verdict_of("EXITS-7") == "crashed");
  CHECK(verdict_of("HANGS", 0.1) == "timed_out");
  const auto aborted = std::get<Crashed>(run_once(job_for("ABORTS"), {}).evidence.outcome.verdict);
  CHECK(aborted == Crashed{SIGABRT, 0, "was killed by SIGABRT (Aborted)"});
}

TEST_CASE("every lie is broken, and says which lie") {
  const std::map<std::string, std::string> lies = {
      {"SILENT", "wrote no record"},
      {"GARBAGE", "not one JSON document"},
      {"TWO-RECORDS", "not one JSON document"},
      {"FLOODS-RECORD", "longer than 1048576 bytes"},
      {"SURVIVED-EXIT-1", "says survived, and the worker exited with status 1"},
      {"REFUTED-EXIT-1", "says refuted, and the worker exited with status 1"},
      {"FOREIGN-JOB", "another job"},
      {"FOREIGN-NONCE", "another process"},
      {"FOREIGN-CLAIM", "another claim"},
      {"FOREIGN-SUBJECT", "another subject"},
      {"OLD-PROTOCOL", "protocol 0"},
      {"NO-CASES", "no case was run"},
      {"NO-COMPARISONS", "nothing was compared"},
      {"NEGATIVE-CASES", "\"cases\" must be a whole number that is not negative"},
      {"CASES-AS-TEXT", "\"cases\" must be a whole number"},
      {"CASES-AS-FRACTION", "\"cases\" must be a whole number"},
      {"UNKNOWN-OUTCOME", "not \"passed\""},
      {"CRASHED-BY-WORD", "not \"crashed\""},
      {"UNKNOWN-DOMAIN", "not \"everything\""},
      {"UNKNOWN-MEMBER", "did you mean `comparisons`?"},
      {"BAD-DIGEST", "\"result_digest\" must be"},
      {"FIXTURE-WITHOUT-INPUT", "names no input"},
      {"READS-NOTHING", "(\"parameters_read\" is empty; there are band, cases)"},
      {"DISCARDS-MOST", "with 10 cases while 101 were discarded"},
      {"LIST", "must be an object"},
      {"WITHOUT-NONCE", "\"nonce\" is missing"},
      {"WITHOUT-CASES", "\"cases\" is missing"},
      {"WITHOUT-COMPARISONS", "\"comparisons\" is missing"},
      {"WITHOUT-DOMAIN", "\"domain\" is missing"},
      {"REFUTED-WITHOUT-COUNTEREXAMPLE", "without a \"counterexample\""},
      {"DECLINED-FOR-NO-REASON", "\"tired\""},
  };
  for (const auto& [claim, part] : lies) {
    CAPTURE(claim, part);
    CHECK(broken_message(claim).find(part) != std::string::npos);
  }
}

TEST_CASE("what a record shows of its work is held against the job, and no further") {
  CHECK(verdict_of("DISCARDS-MANY") == "survived");
  PlannedJob without = job_for("READS-NOTHING");
  without.job.parameters = Value::Map{};
  CHECK(to_string(run_once(without, {}).evidence.outcome.verdict) == "survived");
  // A mutant that lives is vacuity, which is worse than a broken record.
  CHECK(to_string(run_once(job_for("READS-NOTHING", Arm::mutant), {}).evidence.outcome.verdict) ==
        "survived");
}

TEST_CASE("a worker that is not there is broken, and names the file") {
  PlannedJob job = job_for("SURVIVED");
  job.worker = "/nonexistent/worker";
  const auto verdict = run_once(job, {}).evidence.outcome.verdict;
  CHECK(std::get<Broken>(verdict).message == "/nonexistent/worker: no such file");
}

TEST_CASE("a refutation is run twice with one seed, and must come out the same") {
  const Collected collected =
      execute_all({job_for("REFUTED"), job_for("WAVERS"), job_for("WAVERS", Arm::mutant)});
  CHECK(collected.execution.complete);
  CHECK(std::holds_alternative<Refuted>(collected.verdict(0)));
  CHECK(std::get<Nondeterministic>(collected.verdict(1)).message.find("counterexample") !=
        std::string::npos);
  CHECK(std::holds_alternative<Refuted>(collected.verdict(2)));  // mutants are not run twice
}

TEST_CASE("jobs run side by side, exclusive ones alone and last") {
  std::vector<PlannedJob> jobs;
  for (int i = 0; i < 12; ++i) jobs.push_back(job_for("SURVIVED"));
  jobs[3].exclusive = jobs[7].exclusive = true;
  std::size_t now = 0, most = 0;
  std::vector<std::size_t> alone;
  Observer observer;
  observer.started = [&](const PlannedJob& planned) {
    ++now;
    most = std::max(most, now);
    if (planned.exclusive) alone.push_back(now);
  };
  std::vector<std::size_t> order;
  observer.finished = [&](FinishedJob job) -> std::optional<Error> {
    --now;
    order.push_back(job.index);
    return std::nullopt;
  };
  ExecuteOptions options;
  options.width = 3;
  const Execution execution = execute(jobs, options, observer);
  CHECK(execution.finished == 12);
  CHECK(most == 3);
  CHECK(alone == std::vector<std::size_t>{1, 1});
  CHECK(std::vector<std::size_t>(order.end() - 2, order.end()) == std::vector<std::size_t>{3, 7});
}

TEST_CASE("device jobs share nothing with one another") {
  std::vector<PlannedJob> jobs(4, job_for("SURVIVED"));
  for (PlannedJob& planned : jobs) planned.job.subject = {"cuda"};
  std::size_t now = 0, most = 0;
  Observer observer;
  observer.started = [&](const PlannedJob&) { most = std::max(most, ++now); };
  observer.finished = [&](FinishedJob) -> std::optional<Error> { return --now, std::nullopt; };
  ExecuteOptions options;
  options.width = 4;
  CHECK(execute(jobs, options, observer).complete);
  CHECK(most == 1);
}

TEST_CASE("a sink that fails stops the run and is reported") {
  std::vector<PlannedJob> jobs(5, job_for("SURVIVED"));
  int calls = 0;
  Observer observer;
  observer.finished = [&](FinishedJob) -> std::optional<Error> {
    return ++calls == 2 ? std::optional(Error{"no space left on device", ""}) : std::nullopt;
  };
  const Execution execution = execute(jobs, {}, observer);
  REQUIRE(execution.sink_failed);
  CHECK(execution.sink_failed->what == "no space left on device");
  CHECK(execution.finished == 1);
  CHECK_FALSE(execution.complete);
  CHECK(calls == 2);
}

TEST_CASE("enough is enough: what runs is killed and what waits is not started") {
  std::vector<PlannedJob> jobs = {job_for("SURVIVED"), job_for("HANGS"), job_for("SURVIVED")};
  bool seen = false;
  Observer observer;
  observer.finished = [&](FinishedJob) -> std::optional<Error> {
    return seen = true, std::nullopt;
  };
  observer.enough = [&] { return seen; };
  ExecuteOptions options;
  options.width = 2;
  const Execution execution = execute(jobs, options, observer);
  CHECK(execution.finished == 1);
  CHECK_FALSE(execution.complete);
}

TEST_CASE("a signal stops the run; what had finished is kept") {
  for (const int number : {SIGINT, SIGTERM}) {
    const StopSignal stop;
    std::vector<PlannedJob> jobs = {job_for("SURVIVED"), job_for("HANGS"), job_for("SURVIVED")};
    std::vector<FinishedJob> finished;
    Observer observer;
    observer.started = [&](const PlannedJob& planned) {
      if (planned.job.claim.text == "HANGS") ::raise(number);
    };
    observer.finished = [&](FinishedJob job) -> std::optional<Error> {
      finished.push_back(std::move(job));
      return std::nullopt;
    };
    ExecuteOptions options;
    options.stop = &stop;
    const Execution execution = execute(jobs, options, observer);
    CHECK(execution.signal == number);
    CHECK(execution.finished == 1);
    CHECK_FALSE(execution.complete);
    CHECK(finished.front().evidence.claim.text == "SURVIVED");
  }
}

TEST_CASE("vacuity results are remembered by digest, and only those") {
  const std::string path = temporary("vacuity.jsonl");
  const std::vector<PlannedJob> jobs = {
      job_for("POWERFUL"), job_for("POWERFUL", Arm::mutant), job_for("POWERFUL", Arm::negated),
      job_for("ABORTS", Arm::mutant), job_for("DECLINED", Arm::negated)};
  const auto cached = [&](const std::vector<PlannedJob>& plan) {
    LineCache lines(path);
    VacuityCache cache(lines);
    ExecuteOptions options;
    options.cache = &cache;
    std::vector<std::size_t> from_cache;
    for (const FinishedJob& job : execute_all(plan, options).jobs) {
      if (job.from_cache) from_cache.push_back(job.index);
      const bool power = job.index == 1 || job.index == 2;
      if (power) CHECK(std::holds_alternative<Refuted>(job.evidence.outcome.verdict));
    }
    return from_cache;
  };
  CHECK(cached(jobs).empty());
  CHECK(cached(jobs) == std::vector<std::size_t>{1, 2});

  std::vector<PlannedJob> changed = jobs;
  changed[1].provenance.source = {"another source"};
  changed[2].provenance.claim = {"another claim"};
  CHECK(cached(changed).empty());
  changed = jobs;
  changed[1].fixture_digests["minilm"] = {"another file"};
  CHECK(cached(changed) == std::vector<std::size_t>{2});
  // The file is the same, and what it starts need not be.
  changed = jobs;
  changed[1].declared = false;
  CHECK(cached(changed) == std::vector<std::size_t>{2});
  std::filesystem::remove(path);
}

TEST_CASE("one job costs milliseconds, and a bench of failures is refused") {
  const auto overhead = bench_job_overhead(UNRULY_WORKER, "SURVIVED", 50);
  REQUIRE(overhead);
  CHECK(overhead->median_ms > 0);
  // Generous, because a test may share its cores; the figure itself is the bench's.
  CHECK(overhead->median_ms < 50);
  CHECK_FALSE(bench_job_overhead(UNRULY_WORKER, "SILENT", 1));
  CHECK_FALSE(bench_job_overhead(UNRULY_WORKER, "NO-SUCH-CLAIM", 1));
  CHECK_FALSE(bench_job_overhead("/nonexistent", "SURVIVED", 1));
}

TEST_CASE("a damaged cache costs time and nothing else") {
  const std::string path = temporary("damaged.jsonl");
  const PlannedJob mutant = job_for("POWERFUL", Arm::mutant);
  {
    LineCache lines(path);
    VacuityCache cache(lines);
    ExecuteOptions options;
    options.cache = &cache;
    execute_all({mutant}, options);
  }
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  SECTION("cut off in the middle") {
    std::ofstream(path) << line.substr(0, line.size() / 2);
    LineCache lines(path);
    CHECK(lines.warnings().size() == 1);
    VacuityCache cache(lines);
    CHECK_FALSE(cache.find(mutant));
    ExecuteOptions options;
    options.cache = &cache;
    execute_all({mutant}, options);
    LineCache again(path);  // the new line does not hang on to the half one
    CHECK(VacuityCache(again).find(mutant));
  }
  SECTION("with a verdict that was turned round by hand") {
    const std::size_t at = line.find("refuted");
    std::ofstream(path) << line.replace(at, 7, "passed!") << "\n";
    LineCache lines(path);
    CHECK_FALSE(VacuityCache(lines).find(mutant));
    CHECK(lines.warnings().size() == 1);
  }
  std::filesystem::remove(path);
}

TEST_CASE("a cache that cannot be written is a warning") {
  LineCache lines("/proc/no/such/place.jsonl");
  VacuityCache cache(lines);
  ExecuteOptions options;
  options.cache = &cache;
  const Collected collected = execute_all({job_for("POWERFUL", Arm::mutant)}, options);
  CHECK(collected.execution.complete);
  CHECK(lines.warnings().size() == 1);
}

}  // namespace refute::pipeline
