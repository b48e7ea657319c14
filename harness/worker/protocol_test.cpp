#include "harness/worker/protocol.hpp"

#include <string>

#include "harness/catch.hpp"
#include "harness/json/json.hpp"
#include "harness/worker/context.hpp"
#include "harness/worker/errors.hpp"
#include "harness/worker/external_subject.hpp"

using namespace refute;
using namespace refute::worker;

namespace {

Verdict reads_parameters(Context& context) {
  context.add_cases(context.count("cases"));
  const Band band = context.band("band");
  const bool ok = context.compare().in_band(context.real("value"), band.low, band.high, "value");
  context.measure("value", context.real("value"));
  return ok ? survived() : refuted("outside", Value::Map{{"value", context.real("value")}});
}
Verdict has_a_bug(Context&) {
  throw std::logic_error("oops");
}
Verdict starts_the_server(Context& context) {
  ExternalSubject server(context.job().external_subject, 5);
  context.add_cases(1);
  context.compare().in_band(1, 0, 2, "value");
  if (context.job().seed.value == 1) return refuted("outside", Value::Map{{"value", 1}});
  if (context.job().seed.value == 2) throw SubjectDeclined(DeclineReason::not_served, "no");
  return survived();
}

constexpr Row kRows[] = {
    {.claim = "T-1",
     .help = "reads",
     .falsify = reads_parameters,
     .subjects = {"a", "b"},
     .mutants = {"m"},
     .controls = {"c"},
     .parameters = {"cases", "band", "value"}},
    {.claim = "T-2", .help = "has a bug", .falsify = has_a_bug, .subjects = {"a"}},
    {.claim = "T-3", .help = "asks a server", .falsify = starts_the_server, .subjects = {"a"}},
};
constexpr Table kTable = {"falsify_test", "TEST", kRows, {"abc", "", "gcc 12", "-O2", "none"}};

std::string job_text(const std::string& changed = "", const std::string& value = "") {
  Value job = Value::Map{};
  job.set("protocol", 1);
  for (const char* member : {"job", "nonce"}) job.set(member, member);
  job.set("contract", "TEST");
  job.set("claim", "T-1");
  job.set("subject", "a");
  job.set("arm", "subject");
  job.set("mutant", "");
  job.set("seed", "18446744073709551615");
  Value parameters;
  parameters.set("cases", 3);
  parameters.set("band", Value::List{Value(0.5), Value(2)});
  parameters.set("value", 1);
  job.set("parameters", parameters);
  job.set("fixtures", Value::Map{{"weights", Value("/some/where")}});
  job.set("external_subject", "");
  job.set("threads", 2);
  job.set("limits", Value::Map{{"time_s", Value(0.5)}, {"memory_mib", Value(64)}});
  job.set("replay", nullptr);
  if (!changed.empty()) job.set(changed, *json::parse(value));
  return json::dump(job);
}

Job sound_job() {
  return *parse_job(job_text());
}

std::string problem(const std::string& member, const std::string& value) {
  const auto job = parse_job(job_text(member, value));
  return job ? "" : job.error().what;
}

}  // namespace

TEST_CASE("A job comes over whole") {
  const Job job = sound_job();
  CHECK(job.seed.value == 18446744073709551615ull);
  CHECK(job.fixtures.at("weights") == "/some/where");
  CHECK(job.threads == 2);
  CHECK(job.limits.time_s == 0.5);
  CHECK(job.limits.memory_mib == 64);
  CHECK_FALSE(job.replay);
}

TEST_CASE("What is wrong in a job is named") {
  CHECK(problem("protocol", "2").find("protocol") != std::string::npos);
  CHECK(problem("seed", "\"-1\"").find("seed") != std::string::npos);
  CHECK(problem("seed", "\"18446744073709551616\"").find("seed") != std::string::npos);
  CHECK(problem("arm", "\"sideways\"").find("arm") != std::string::npos);
  CHECK(problem("parameters", "[]").find("parameters") != std::string::npos);
  CHECK(problem("fixtures", "{\"w\": 3}").find("fixtures.w") != std::string::npos);
  CHECK(problem("claim", "null").find("claim") != std::string::npos);
  CHECK_FALSE(parse_job("{"));
  CHECK_FALSE(parse_job("[1]"));
  CHECK_FALSE(parse_job(""));
}

TEST_CASE("The record says what happened, and which parameters were read") {
  const Job job = sound_job();
  const Value record = record_of(job, run_job(kTable, job));
  CHECK(*record.find("outcome")->as_string() == "survived");
  CHECK(*record.find("nonce")->as_string() == "nonce");
  CHECK(*record.find("cases")->as_int() == 3);
  CHECK(*record.find("comparisons")->as_int() == 1);
  CHECK(json::dump(*record.find("parameters_read")) == R"(["band","cases","value"])");
  CHECK(record.find("counterexample")->is_null());
}

TEST_CASE("The negated arm refutes, with a counterexample") {
  Job job = sound_job();
  job.arm = Arm::negated;
  const Value record = record_of(job, run_job(kTable, job));
  CHECK(*record.find("outcome")->as_string() == "refuted");
  CHECK(*record.find("message")->as_string() == "outside");
  CHECK(record.find("counterexample")->find("value") != nullptr);
}

TEST_CASE("A missing parameter, or one of another kind, ends the job with its name") {
  const auto message = [](const char* name, const char* value) -> std::string {
    Job job = sound_job();
    Value parameters = Value::Map{};
    for (const auto& [key, old] : *job.parameters.as_map()) {
      if (key != name) parameters.set(key, old);
    }
    if (*value) parameters.set(name, *json::parse(value));
    job.parameters = parameters;
    try {
      run_job(kTable, job);
    } catch (const JobError& e) {
      return e.what();
    }
    return "no error";
  };
  CHECK(message("value", "").find("`value` is missing") != std::string::npos);
  CHECK(message("value", "\"1\"").find("`value` is not a finite number") != std::string::npos);
  CHECK(message("cases", "0").find("`cases`") != std::string::npos);
  CHECK(message("cases", "2.5").find("`cases`") != std::string::npos);
  CHECK(message("band", "[2, 1]").find("`band`") != std::string::npos);
  CHECK(message("band", "[1, 2, 3]").find("`band`") != std::string::npos);
  CHECK(message("band", "[]").find("`band`") != std::string::npos);
}

TEST_CASE("Names that the table does not have are refused, never replaced") {
  const auto refuses = [](auto change) {
    Job job = sound_job();
    change(job);
    CHECK_THROWS_AS(run_job(kTable, job), JobError);
  };
  refuses([](Job& j) { j.contract = {"OTHER"}; });
  refuses([](Job& j) { j.claim = {"T-9"}; });
  refuses([](Job& j) { j.subject = {"z"}; });
  refuses([](Job& j) { j.arm = Arm::mutant, j.mutant = {"z"}; });
  refuses([](Job& j) { j.arm = Arm::control, j.subject = {"a"}; });
}

TEST_CASE("A bug is no verdict") {
  Job job = sound_job();
  job.claim = {"T-2"};
  CHECK_THROWS_AS(run_job(kTable, job), std::logic_error);
}

TEST_CASE("The list names rows and sources; what is unknown is left out") {
  const Value list = list_of(kTable);
  CHECK(*list.find("kind")->as_string() == "falsifier");
  CHECK(json::dump(*list.find("source")) == R"({"cpu":"abc"})");
  CHECK(list.find("rows")->as_list()->size() == 3);
  CHECK(json::dump(*list.find("rows")->as_list()->front().find("mutants")) == R"(["m"])");
  Table without = kTable;
  without.build.source_cpu = "";
  CHECK(list_of(without).find("source") == nullptr);
}

TEST_CASE("How a subject server ends is part of what came of the job") {
  Job job = sound_job();
  job.claim = {"T-3"};
  job.seed = {0};
  // Neither reads its arguments: /bin/true leaves well at once, /bin/false with status 1.
  job.external_subject = "/bin/true";
  CHECK(to_string(run_job(kTable, job).verdict) == "survived");
  job.external_subject = "/bin/false";
  for (const std::uint64_t seed : {0, 2}) {
    job.seed = {seed};
    try {
      run_job(kTable, job);
      FAIL("the end of the server went unseen");
    } catch (const SubjectFailure& failure) {
      CHECK(std::string(failure.what()).find("exited with status 1") != std::string::npos);
    }
  }
  job.seed = {1};
  CHECK(to_string(run_job(kTable, job).verdict) == "refuted");
}
