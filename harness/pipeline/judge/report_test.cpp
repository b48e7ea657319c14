#include "harness/pipeline/judge/report.hpp"

#include <cstdlib>
#include <filesystem>

#include "harness/catch.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/judge/changes.hpp"
#include "harness/pipeline/judge/exit_codes.hpp"
#include "harness/pipeline/judge/file_text.hpp"
#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/ledger_json.hpp"
#include "harness/pipeline/judge/record_json.hpp"
#include "harness/pipeline/judge/report_rows.hpp"
#include "harness/pipeline/judge/report_words.hpp"
#include "harness/pipeline/judge/sample_test.hpp"
#include "harness/pipeline/judge/temp_folder_test.hpp"
#include "harness/pipeline/judge/xml.hpp"

namespace refute::pipeline {
namespace {

using namespace sample;

/// Text that tries to leave whatever it is put into.
const std::string kHostile = "]]> \x1b[31m | `a` <b> & \"q\" \x01 *x* _y_ @team #1\nnext";

Claim named(Claim claim, const std::string& id) {
  claim.id = {id};
  claim.clause.set("id", id);
  return claim;
}

std::vector<Evidence> without_subject(std::vector<Evidence> evidence, const std::string& subject) {
  std::erase_if(evidence, [&](const Evidence& e) {
    return e.arm == Arm::subject && e.subject.text == subject;
  });
  return evidence;
}

/// One claim of every kind that a report has to show.
RunReport everything() {
  const Claim holds = named(encode_claim(), "FALSIFY-CRUX-B-11-003");
  const Claim refuted = encode_claim();
  const Claim vacuous = named(encode_claim(), "FALSIFY-CRUX-B-11-005");
  const Claim crashed = named(encode_claim(), "FALSIFY-CRUX-B-11-006");
  const Claim unrun = named(encode_claim(), "FALSIFY-CRUX-B-11-007");
  const Claim stale = named(encode_claim(), "FALSIFY-CRUX-B-11-008");
  const Claim unbound = named(encode_claim(), "FALSIFY-CRUX-B-11-010");
  RunReport r;
  r.contracts = {{{"CRUX-B-11"},
                  "1.0.0",
                  "contracts/crux-B-11-v1.yaml",
                  {round_trip_claim(), holds, refuted, vacuous, crashed, unrun, stale,
                   device_claim(), unbound}}};
  Today now = today();
  for (const Claim& claim : r.contracts[0].claims) now.bound[claim.id] = now.bound.begin()->second;
  now.bound.erase(unbound.id);
  now.architecture = "";
  Evidence old = record(stale, "cpu_simd");
  old.provenance.source = {std::string(64, '0')};
  Refuted hostile = counterexample();
  hostile.message = kHostile;
  r.evidence = full(round_trip_claim()) + full(holds) + without_subject(full(refuted), "cpu_simd") +
               record(refuted, "cpu_simd", hostile) + full(vacuous) +
               record(vacuous, "cpu_scalar", Survived{}, Arm::mutant, "truncate") + power(crashed) +
               record(crashed, "cpu_scalar", Crashed{11, 0, "killed by SIGSEGV"}) +
               record(crashed, "cpu_simd", TimedOut{60}) + with_record(old) +
               power(device_claim()) + record(device_claim(), "cpu_scalar") +
               record(device_claim(), "cuda", Declined{DeclineReason::no_device, "no CUDA device"});
  std::erase_if(r.evidence, [](const Evidence& e) {
    return e.subject.text == "cuda" && e.arm == Arm::negated;
  });
  r.ledger = judge(r.contracts, now, r.evidence);
  r.facts = RunFacts{"20261120-233108-0",
                     {42},
                     Value::Map{{"jobs", 2}},
                     Value::Map{{"falsify_crux_b_11", "g++ 12.2.0"}},
                     {},
                     true,
                     false};
  for (const Evidence& e : r.evidence) {
    r.observations.push_back({e.record, "2026-11-20T23:31:08Z", 0.25, {}, "", false});
  }
  r.exits = all_that_apply(r.contracts, r.ledger, r.evidence);
  return r;
}

RunReport against_baseline() {
  RunReport r = everything();
  Baseline baseline;
  baseline.name = "main";
  for (const ClaimLedger& claim : r.ledger.claims) baseline.levels[claim.claim] = Level::functional;
  baseline.levels.erase({"FALSIFY-CRUX-B-11-003"});
  baseline.levels[{"FALSIFY-CRUX-B-11-999"}] = Level::discharged;
  r.baseline = baseline;
  return r;
}

/// Compares with reports/approved/NAME; with REFUTE_APPROVE=1 in the environment it replaces that
/// file instead.
void check_approved(const std::string& name, const std::string& text) {
  const std::string path = std::string(REFUTE_SOURCE_ROOT "/reports/approved/") + name;
  const char* approve = std::getenv("REFUTE_APPROVE");
  if (approve != nullptr && std::string(approve) == "1") {
    std::filesystem::create_directories(REFUTE_SOURCE_ROOT "/reports/approved");
    REQUIRE_FALSE(replace_text(path, text));
    return;
  }
  const Result<std::string> approved = read_text(path);
  REQUIRE(approved);
  INFO("differs from " << path << "; if the new text is right, run again with REFUTE_APPROVE=1");
  CHECK(text == *approved);
}

TEST_CASE("reports look as they were approved") {
  const RunReport r = against_baseline();
  check_approved("report.txt", report_text(r));
  check_approved("report.md", report_markdown(r));
  check_approved("report.json", report_json(r));
  check_approved("report.junit.xml", report_junit(r));
}

TEST_CASE("no renderer lets hostile text out as it is") {
  const RunReport r = everything();
  for (const std::string& text :
       {report_text(r), report_markdown(r), report_json(r), report_junit(r)}) {
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find('\x01') == std::string::npos);
  }
  CHECK(report_markdown(r).find("<b>") == std::string::npos);
  CHECK(report_markdown(r).find("@team") == std::string::npos);
  CHECK(report_junit(r).find("<b>") == std::string::npos);
  CHECK(report_junit(r).find("]]>") == std::string::npos);
  // Colour is the one escape sequence, and only where it was asked for.
  CHECK(report_text(r, true).find("\x1b[1;31m") != std::string::npos);
  CHECK(report_text(r, true).find("\x1b[31m") == std::string::npos);
}

TEST_CASE("the text says once what a counterexample explains") {
  RunReport r = everything();
  for (Evidence& e : r.evidence) {
    auto* refuted = std::get_if<Refuted>(&e.outcome.verdict);
    if (refuted == nullptr || refuted->message != kHostile) continue;
    refuted->counterexample.set("where", "row 3 of 9");
    refuted->counterexample.set("fault", "scale_missing: scores are not scaled");
  }
  const std::string text = report_text(r);
  CHECK(text.find("    where           row 3 of 9\n"
                  "    fault           scale_missing: scores are not scaled\n"
                  "    counterexample  {\"seed\":\"42\",\"x\":\"0x1.cep+3\"}\n") !=
        std::string::npos);
  CHECK(text.find("row 3 of 9") == text.rfind("row 3 of 9"));
}

TEST_CASE("every line of the markdown table has its six cells") {
  const std::string text = report_markdown(everything());
  int rows = 0;
  for (std::size_t at = text.find("\n| "); at != std::string::npos;
       at = text.find("\n| ", at + 1)) {
    const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at - 1);
    int bars = 0;
    for (std::size_t i = 0; i < line.size(); ++i)
      bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
    CAPTURE(line);
    CHECK(bars == 7);
    ++rows;
  }
  CHECK(rows == 10);
}

TEST_CASE("JUnit shows nothing as passed that did not run as expected") {
  const RunReport r = everything();
  const std::string text = report_junit(r);
  const auto element = [&](const std::string& name) {
    const std::size_t at = text.find("name=\"" + name + "\"");
    REQUIRE(at != std::string::npos);
    return text.substr(at, text.find('\n', at) - at);
  };
  const auto holds = [&](const std::string& name, const std::string& what) {
    CAPTURE(name, element(name));
    CHECK(element(name).find(what) != std::string::npos);
  };
  holds("FALSIFY-CRUX-B-11-001 [cpu_simd]", "/>");
  holds("FALSIFY-CRUX-B-11-003 [cpu_simd]", "/>");
  holds("FALSIFY-CRUX-B-11-006 [cpu_scalar]", "<error message=\"crashed");
  holds("FALSIFY-CRUX-B-11-006 [cpu_simd]", "<error message=\"timed out");
  holds("FALSIFY-CRUX-B-11-004 [cpu_simd]", "<failure message=\"refuted");
  holds("FALSIFY-CRUX-B-11-007", "<skipped");
  holds("FALSIFY-CRUX-B-11-008 [cpu_simd]", "<skipped message=\"stale");
  holds("FALSIFY-CRUX-B-11-009 [cuda]", "<skipped message=\"declined");
  holds("FALSIFY-CRUX-B-11-010", "<skipped");
  CHECK(text.find("<failure message=\"survived") != std::string::npos);
}

TEST_CASE("a subject that no contract names is told of by name") {
  const Claim good = named(encode_claim(), "FALSIFY-CRUX-B-11-003"), bad = encode_claim();
  RunReport r;
  r.contracts = {contract()};
  r.contracts[0].claims = {good, bad};
  Today now = today();
  for (const Claim& claim : r.contracts[0].claims) now.bound[claim.id] = now.bound.begin()->second;
  for (auto& [id, binding] : now.bound) {
    binding.subjects.insert({"mine"});
    binding.sources["mine"] = binding.sources.at("cpu");
  }
  const Evidence fails = record(bad, "mine", Crashed{11, 0, "was killed by SIGSEGV"});
  r.evidence = full(good) + full(bad) + record(good, "mine") + fails;
  r.observations.push_back({fails.record, "", 0, {}, "my kernel: no such file", false});
  r.ledger = judge(r.contracts, now, r.evidence);
  CHECK(guest_lines(rows_of(r)) ==
        std::vector<std::string>{"mine: survived 1 of the 2 claims that it was bound to; crashed: "
                                 "FALSIFY-CRUX-B-11-004"});
  // Where a worker gave no verdict, what it printed is all there is to go by.
  for (const std::string& text :
       {report_text(r), report_markdown(r), report_json(r), report_junit(r)}) {
    CHECK(text.find("my kernel: no such file") != std::string::npos);
  }
}

TEST_CASE("a traceback keeps its lines in the text report") {
  const Claim bad = named(encode_claim(), "FALSIFY-CRUX-B-11-004");
  RunReport r;
  r.contracts = {contract()};
  r.contracts[0].claims = {bad};
  const Evidence fails = record(bad, "cpu_simd", Crashed{0, 3, "wrote no record"});
  r.evidence = {fails};
  r.observations.push_back(
      {fails.record, "", 0, {}, "Traceback:\n  line 8\n\nValueError: no\n", false});
  r.ledger = judge(r.contracts, today(), r.evidence);
  CHECK(report_text(r).find("    it printed      Traceback:\n"
                            "                      line 8\n"
                            "                    ValueError: no\n") != std::string::npos);
}

TEST_CASE("a mutant whose evidence went stale is unknown, not alive") {
  const Claim old = named(encode_claim(), "FALSIFY-CRUX-B-11-004");
  RunReport r;
  r.contracts = {contract()};
  r.contracts[0].claims = {old};
  r.evidence = full(old);
  for (Evidence& e : r.evidence) e.provenance.source = {"another"};
  r.ledger = judge(r.contracts, today(), r.evidence);
  const std::vector<ClaimRow> rows = rows_of(r);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].power.find("mutants stale") != std::string::npos);
  CHECK(rows[0].power.find("dead") == std::string::npos);
}

TEST_CASE("an empty report says so and stays well-formed") {
  RunReport r;
  r.exits = {ExitCode::nothing_selected};
  CHECK(report_text(r).find("0 claims") != std::string::npos);
  CHECK(report_text(r).find("exit 4") != std::string::npos);
  CHECK(json::parse(report_json(r)));
  CHECK(report_junit(r).find("<testcase") == std::string::npos);
  for (const std::string& text : {report_text(r), report_markdown(r)}) {
    CHECK(text.find("passed") == std::string::npos);
  }
}

TEST_CASE("the JSON report is a baseline for the next one") {
  const TempFolder folder;
  RunReport r = everything();
  REQUIRE_FALSE(write_text(folder / "before.json", report_json(r)));
  const Result<Baseline> baseline = load_baseline(folder / "before.json");
  REQUIRE(baseline);
  CHECK(baseline->levels.size() == r.ledger.claims.size());
  CHECK(baseline->vacuous.at({"FALSIFY-CRUX-B-11-005"}));
  std::vector<Change> changes = changes_since(*baseline, r.ledger);
  std::erase_if(changes, [](const Change& c) { return c.kind == ChangeKind::stale; });
  CHECK(changes.empty());
}

TEST_CASE("a committed ledger is a baseline too, by file or by folder") {
  const TempFolder folder;
  const Ledger ledger = judge({contract()}, today(), full(encode_claim()));
  REQUIRE_FALSE(write_text(folder / "ledger.json", ledger_json(ledger, {std::string(64, 'a')})));
  for (const std::string& path : {folder.path(), folder / "ledger.json"}) {
    const Result<Baseline> baseline = load_baseline(path);
    REQUIRE(baseline);
    CHECK(baseline->levels.at(encode_claim().id) == Level::discharged);
    CHECK(changes_since(*baseline, ledger).empty());
  }
}

TEST_CASE("a baseline that is none is an error that names the file") {
  const TempFolder folder;
  for (const char* text : {"", "[]", "{}", R"({"claims": 1})", R"({"claims": [{}]})",
                           R"({"claims": [{"claim": "A", "level": "PASSED"}]})"}) {
    CAPTURE(text);
    REQUIRE_FALSE(write_text(folder / "b.json", text));
    const Result<Baseline> baseline = load_baseline(folder / "b.json");
    REQUIRE_FALSE(baseline);
    CHECK(baseline.error().what.find("b.json") != std::string::npos);
  }
  CHECK_FALSE(load_baseline(folder / "absent.json"));
}

TEST_CASE("changes are told worst first") {
  const RunReport r = against_baseline();
  const std::vector<Change> changes = changes_since(*r.baseline, r.ledger);
  std::vector<std::string> told;
  for (const Change& c : changes) told.push_back(c.claim.text.substr(18) + " " + c.words);
  CHECK(told == std::vector<std::string>{
                    "004 FUNCTIONAL → REFUTED",
                    "005 its check is vacuous now",
                    "005 FUNCTIONAL → OPEN",
                    "006 FUNCTIONAL → OPEN",
                    "007 FUNCTIONAL → OPEN",
                    "008 FUNCTIONAL → OPEN",
                    "009 FUNCTIONAL → PARTIAL_ALGORITHM_LEVEL",
                    "010 FUNCTIONAL → UNBOUND",
                    "999 gone, was DISCHARGED",
                    "008 1 record stale",
                    "003 new, DISCHARGED",
                });
}

TEST_CASE("measurements are told in the unit that a reader thinks in") {
  CHECK(measured(Value::Map{{"relative_error", 0.026462}, {"worst_row", 117}}) ==
        "relative error 2.646 %, worst row 117");
  CHECK(measured(Value::Map{{"rmse", 1.25e-7}, {"format", "e4m3"}, {"a", 1}, {"b", 2}, {"c", 3}}) ==
        "rmse 1.25e-07, format e4m3, 3 more");
  CHECK(measured({}).empty());
  CHECK(with_thousands(0) == "0");
  CHECK(with_thousands(999) == "999");
  CHECK(with_thousands(1000) == "1,000");
  CHECK(with_thousands(4294967296) == "4,294,967,296");
}

TEST_CASE("XML holds no character that XML forbids") {
  CHECK(xml_escaped("a<b>&\"c\" é 💥\n\t") == "a&lt;b&gt;&amp;&quot;c&quot; é 💥\n\t");
  const std::string replacement = "\xef\xbf\xbd";
  for (const std::string& bad :
       {std::string(1, '\0'), std::string("\x01"), std::string("\x1b"), std::string("\x80"),
        std::string("\xff"), std::string("\xef\xbf\xbe"), std::string("\xef\xbf\xbf")}) {
    CHECK(xml_escaped(bad).starts_with(replacement));
  }
  CHECK(xml_escaped("\xed\xa0\x80").find('\xed') == std::string::npos);  // a surrogate
  CHECK(xml_escaped("\xc0\xaf").find('\xc0') == std::string::npos);      // an overlong slash
  CHECK(xml_escaped("\xe2\x82").find('\xe2') == std::string::npos);      // cut off
}

}  // namespace
}  // namespace refute::pipeline
