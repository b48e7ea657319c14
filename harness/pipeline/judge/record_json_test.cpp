#include "harness/pipeline/judge/record_json.hpp"

#include <limits>

#include "harness/catch.hpp"
#include "harness/pipeline/judge/observation.hpp"
#include "harness/pipeline/judge/sample_test.hpp"

namespace refute::pipeline {
namespace {

using namespace sample;

std::vector<Evidence> one_of_each() {
  const Claim claim = encode_claim();
  std::vector<Evidence> all = full(claim) + full(device_claim()) + full(round_trip_claim());
  for (const Verdict& verdict :
       {Verdict(Declined{DeclineReason::not_served, "numpy serves no fp8.encode_bf16"}),
        Verdict(Crashed{11, 0, "killed by SIGSEGV"}), Verdict(Crashed{0, 3, "exit status 3"}),
        Verdict(TimedOut{0.25}), Verdict(Broken{"another job's record"}),
        Verdict(Nondeterministic{"refuted, then survived"})}) {
    all.push_back(record(claim, "cpu_simd", verdict));
  }
  return all;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("a record has one spelling, member by member") {
  Evidence e = record(encode_claim(), "cpu_simd", counterexample());
  e.outcome.inputs = {{"minilm-l6-v2", {kMiniLm}}};
  const std::string claim = e.provenance.claim.text;
  CHECK(record_json(e) ==
        R"({"schema":1,"contract":"CRUX-B-11","claim":"FALSIFY-CRUX-B-11-004",)"
        R"("subject":"cpu_simd","arm":"subject","mutant":"","seed":"11400714819323198485",)"
        R"("outcome":"refuted","detail":{"message":"element 31 of 384: got 0x1.cp+3, )"
        R"(wanted 0x1.dp+3","counterexample":{"seed":"42","x":"0x1.cep+3"}},)"
        R"("coverage":{"cases":65536,"comparisons":131072,"discards":0,"shrinks":0},)"
        R"("domain":"exhaustive","agreement":"bytewise","result_digest":")" +
            std::string(64, 'f') + R"(","inputs":[{"name":"minilm-l6-v2","sha256":")" + kMiniLm +
            R"("}],"measurements":{"relative_error":0.02646,"worst_row":117},)"
            R"("parameters_read":["cases"],"provenance":{"claim":")" +
            claim + R"(","source":")" + kCpuSource + R"(","architecture":""}})");
}

TEST_CASE("every kind of record comes back as it was") {
  for (const Evidence& e : one_of_each()) {
    const std::string line = record_json(e);
    CAPTURE(line);
    const Result<Evidence> back = parse_record(line);
    REQUIRE(back);
    CHECK(record_json(*back) == line);
    CHECK(back->record == e.record);
    CHECK(back->outcome.verdict == e.outcome.verdict);
    CHECK(back->provenance == e.provenance);
    CHECK(back->seed == e.seed);
  }
}

TEST_CASE("what differs between machines is not in the record") {
  const Evidence e = record(encode_claim(), "cpu_simd");
  Evidence elsewhere = e;
  elsewhere.outcome.environment = Value::Map{{"simd", "AVX2"}, {"driver", "580.65"}};
  elsewhere.attestations = {{{std::string(64, '1')}, e.record}};
  CHECK(record_digest(elsewhere) == e.record);
}

TEST_CASE("every part of a record moves its digest") {
  const Evidence e = record(encode_claim(), "cpu_simd");
  const auto moves = [&](auto change) {
    Evidence other = e;
    change(other);
    return record_digest(other) != e.record;
  };
  CHECK(moves([](Evidence& o) { o.contract.text += "x"; }));
  CHECK(moves([](Evidence& o) { o.claim.text += "x"; }));
  CHECK(moves([](Evidence& o) { o.subject.text += "x"; }));
  CHECK(moves([](Evidence& o) { o.arm = Arm::negated; }));
  CHECK(moves([](Evidence& o) { o.mutant.text += "x"; }));
  CHECK(moves([](Evidence& o) { o.seed.value += 1; }));
  CHECK(moves([](Evidence& o) { o.outcome.verdict = Broken{}; }));
  CHECK(moves([](Evidence& o) { o.outcome.coverage.cases += 1; }));
  CHECK(moves([](Evidence& o) { o.outcome.coverage.comparisons += 1; }));
  CHECK(moves([](Evidence& o) { o.outcome.coverage.discards += 1; }));
  CHECK(moves([](Evidence& o) { o.outcome.coverage.shrinks += 1; }));
  CHECK(moves([](Evidence& o) { o.outcome.domain = Domain::live; }));
  CHECK(moves([](Evidence& o) { o.outcome.agreement = Agreement::none; }));
  CHECK(moves([](Evidence& o) { o.outcome.result_digest.text[0] = '0'; }));
  CHECK(moves([](Evidence& o) { o.outcome.inputs.push_back({"x", {kMiniLm}}); }));
  CHECK(moves([](Evidence& o) { o.outcome.measurements.set("worst_row", 118); }));
  CHECK(moves([](Evidence& o) { o.outcome.parameters_read.push_back("band"); }));
  CHECK(moves([](Evidence& o) { o.provenance.claim.text[0] ^= 1; }));
  CHECK(moves([](Evidence& o) { o.provenance.source.text[0] = '0'; }));
  CHECK(moves([](Evidence& o) { o.provenance.architecture = "sm_80"; }));
}

TEST_CASE("odd numbers and texts survive the way there and back") {
  Evidence e = record(encode_claim(), "cpu_simd");
  e.seed.value = std::numeric_limits<std::uint64_t>::max();
  e.outcome.measurements = Value::Map{{"tiny", std::numeric_limits<double>::denorm_min()},
                                      {"minus_zero", -0.0},
                                      {"one", 1.0},
                                      {"large", 1e300},
                                      {"text", "tab\t quote\" newline\n bell\a é 💥"},
                                      {"deep", Value::List{}}};
  const Result<Evidence> back = parse_record(record_json(e));
  REQUIRE(back);
  CHECK(back->outcome.measurements == e.outcome.measurements);
  CHECK(back->seed == e.seed);
  // JSON knows no NaN: it is written as a word, and the record's digest stays the same.
  e.outcome.measurements = Value::Map{{"rmse", std::numeric_limits<double>::quiet_NaN()}};
  const Result<Evidence> nan = parse_record(record_json(e));
  REQUIRE(nan);
  CHECK(nan->record == record_digest(e));
}

TEST_CASE("a reader refuses what record_json would not have written, and names it") {
  const std::string good = record_json(record(encode_claim(), "cpu_simd"));
  REQUIRE(parse_record(good));
  const auto says = [&](const std::string& line, const std::string& what) {
    CAPTURE(line);
    const Result<Evidence> e = parse_record(line);
    REQUIRE_FALSE(e);
    CAPTURE(e.error().what);
    CHECK(e.error().what.find(what) != std::string::npos);
  };
  says("", "JSON");
  says("[]", "no JSON object");
  says("null", "no JSON object");
  says(good.substr(0, good.size() - 1), "JSON");
  says(good + " ", "canonical");
  says(replaced(good, R"("schema":1)", R"("schema":2)"), "record.schema");
  says(replaced(good, R"("schema":1,)", ""), "record.schema: is missing");
  says(replaced(good, R"("arm":"subject")", R"("arm":"subjet")"), "record.arm");
  says(replaced(good, R"("outcome":"survived")", R"("outcome":"passed")"), "record.outcome");
  says(replaced(good, R"("detail":{})", R"("detail":{"why":1})"), "record.detail.why: is unknown");
  says(replaced(good, R"("mutant":"")", R"("mutant":null)"), "record.mutant: is no text");
  says(replaced(good, R"("mutant":"")", R"("mutant":"","host":"n1")"), "record.host: is unknown");
  says(replaced(good, R"("seed":"1)", R"("seed":"01)"), "record.seed");
  says(replaced(good, R"("seed":"11400714819323198485")", R"("seed":7)"), "record.seed");
  says(replaced(good, R"("seed":"1)", R"("seed":"-1)"), "record.seed");
  says(replaced(good, R"("seed":"1)", R"("seed":"99)"), "record.seed");
  says(replaced(good, R"("cases":65536)", R"("cases":-1)"), "record.coverage.cases");
  says(replaced(good, R"("cases":65536)", R"("cases":65536.0)"), "record.coverage.cases");
  says(replaced(good, R"("cases":65536)", R"("cases":6.5536e4)"), "record.coverage.cases");
  says(replaced(good, std::string(64, 'f'), std::string(64, 'F')), "record.result_digest");
  says(replaced(good, std::string(64, 'f'), std::string(63, 'f')), "record.result_digest");
  says(replaced(good, R"("inputs":[])", R"("inputs":[{"name":"x"}])"), "record.inputs.sha256");
  says(replaced(good, R"("parameters_read":["cases"])", R"("parameters_read":[1])"),
       "record.parameters_read");
  says(replaced(good, R"("domain":"exhaustive","agreement":"bytewise")",
                R"("agreement":"bytewise","domain":"exhaustive")"),
       "canonical");
  says(replaced(good, R"("arm":"subject")", R"("arm":"subject","arm":"subject")"), "twice");
  says(replaced(good, R"("cpu_simd")", R"("cpu\u005fsimd")"), "canonical");
  says(std::string(5u << 20, ' ') + good, "longer");
}

TEST_CASE("an observation comes back as it was, and nothing else does") {
  const Observation o{{std::string(64, 'a')},       "2026-11-20T23:31:08Z", 0.125,
                      Value::Map{{"simd", "AVX2"}}, "warning: …\n",         true};
  const std::string line = observation_json(o);
  const Result<Observation> back = parse_observation(line);
  REQUIRE(back);
  CHECK(*back == o);
  CHECK_FALSE(parse_observation(replaced(line, R"("from_cache":true)", R"("from_cache":1)")));
  CHECK_FALSE(parse_observation(replaced(line, R"("record":"a)", R"("record":"")")));
  CHECK_FALSE(parse_observation(replaced(line, R"("output")", R"("outputs")")));
}

}  // namespace
}  // namespace refute::pipeline
