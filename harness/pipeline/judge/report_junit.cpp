#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/report.hpp"
#include "harness/pipeline/judge/report_rows.hpp"
#include "harness/pipeline/judge/report_words.hpp"
#include "harness/pipeline/judge/xml.hpp"

namespace refute::pipeline {
namespace {

/// What JUnit knows of a case.
enum class Kind { passed, failure, error, skipped };

struct Case {
  std::string name;
  Kind kind = Kind::passed;
  std::string message, text;
  double seconds = 0;
};

struct Suite {
  std::string name;
  std::vector<Case> cases;

  std::size_t count(Kind kind) const {
    return static_cast<std::size_t>(std::ranges::count(cases, kind, &Case::kind));
  }
};

Kind kind_of(const Claim& claim, const Evidence& e) {
  if (as_expected(claim, e)) return Kind::passed;
  if (std::holds_alternative<Declined>(e.outcome.verdict)) return Kind::skipped;
  const bool judged = std::holds_alternative<Survived>(e.outcome.verdict) ||
                      std::holds_alternative<Refuted>(e.outcome.verdict) ||
                      std::holds_alternative<Nondeterministic>(e.outcome.verdict);
  return judged ? Kind::failure : Kind::error;
}

std::string case_name(const Evidence& e) {
  const std::string arm = arm_words(e);
  return fmt::format("{} [{}{}{}]", e.claim.text, e.subject.text, arm.empty() ? "" : ", ", arm);
}

std::string case_text(const Evidence& e, const Observation* seen, const RunFacts* run) {
  std::string text;
  if (const auto* refuted = std::get_if<Refuted>(&e.outcome.verdict)) {
    text += fmt::format("counterexample: {}\n", json::dump(refuted->counterexample));
    if (e.arm == Arm::subject) text += fmt::format("replay: {}\n", replay_command(e, run));
  }
  if (gave_no_verdict(e.outcome.verdict) && e.arm == Arm::subject)
    text += fmt::format("run it alone: {}\n", rerun_command(e, run));
  text += fmt::format("seed: {}\n", e.seed.value);
  if (seen != nullptr && !seen->output.empty()) text += seen->output;
  return text;
}

class JunitReport {
 public:
  explicit JunitReport(const RunReport& report) : report_(report), rows_(rows_of(report)) {
    for (const Observation& o : report.observations) seen_.emplace(o.record, &o);
    for (const Evidence& e : report.evidence) records_[{e.contract, e.claim}].push_back(&e);
  }

  std::string render() {
    for (const ClaimRow& row : rows_) add_claim(row);
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"refute\">\n";
    for (const auto& [name, suite] : suites_) out += to_xml(suite);
    return out + "</testsuites>\n";
  }

 private:
  void add_claim(const ClaimRow& row) {
    Suite& suite = suites_[row.ledger->contract.text];
    suite.name = row.ledger->contract.text;
    std::map<Digest, std::string> stale;
    for (const Stale& s : row.ledger->stale) stale.emplace(s.record, reason_words(s.changed));
    auto& records = records_[{row.ledger->contract, row.ledger->claim}];
    std::ranges::sort(records, {}, [](const Evidence* e) {
      return std::tie(e->arm, e->subject, e->mutant, e->seed, e->record);
    });
    for (const Evidence* e : records) {
      const auto old = stale.find(e->record);
      suite.cases.push_back(old == stale.end() ? case_of(*row.claim, *e)
                                               : stale_case(*e, old->second));
    }
    if (records.empty()) {
      suite.cases.push_back(
          {row.ledger->claim.text, Kind::skipped, "not run: " + row.ledger->next, "", 0});
    }
  }

  Case case_of(const Claim& claim, const Evidence& e) const {
    const auto seen = seen_.find(e.record);
    const Observation* observation = seen == seen_.end() ? nullptr : seen->second;
    Case result;
    result.name = case_name(e);
    result.kind = kind_of(claim, e);
    result.message = fmt::format("{}: {}", verdict_words(e.outcome.verdict), finding_message(e));
    if (result.kind != Kind::passed) {
      result.text = case_text(e, observation, report_.facts ? &*report_.facts : nullptr);
    }
    if (observation != nullptr && !observation->from_cache)
      result.seconds = observation->duration_s;
    return result;
  }

  static Case stale_case(const Evidence& e, const std::string& why) {
    return {case_name(e), Kind::skipped, "stale: " + why, "", 0};
  }

  static std::string to_xml(const Suite& suite) {
    std::string out = fmt::format(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n",
        xml_escaped(suite.name), suite.cases.size(), suite.count(Kind::failure),
        suite.count(Kind::error), suite.count(Kind::skipped));
    for (const Case& c : suite.cases) out += to_xml(suite, c);
    return out + "  </testsuite>\n";
  }

  static std::string to_xml(const Suite& suite, const Case& c) {
    const std::string open =
        fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\"",
                    xml_escaped(suite.name), xml_escaped(c.name), c.seconds);
    const auto body = [&](std::string_view element) {
      return fmt::format("{}><{} message=\"{}\">{}</{}></testcase>\n", open, element,
                         xml_escaped(c.message), xml_escaped(c.text), element);
    };
    switch (c.kind) {
      case Kind::passed:
        return open + "/>\n";
      case Kind::failure:
        return body("failure");
      case Kind::error:
        return body("error");
      case Kind::skipped:
        return body("skipped");
    }
    return "";
  }

  const RunReport& report_;
  std::vector<ClaimRow> rows_;
  std::map<Digest, const Observation*> seen_;
  std::map<std::pair<ContractId, ClaimId>, std::vector<const Evidence*>> records_;
  std::map<std::string, Suite> suites_;
};

}  // namespace

std::string report_junit(const RunReport& report) {
  return JunitReport(report).render();
}

}  // namespace refute::pipeline
