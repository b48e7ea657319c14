#include <map>

#include "harness/json/json.hpp"
#include "harness/pipeline/judge/changes.hpp"
#include "harness/pipeline/judge/report.hpp"
#include "harness/pipeline/judge/report_rows.hpp"
#include "harness/pipeline/judge/report_words.hpp"
#include "harness/pipeline/judge/run_facts.hpp"

namespace refute::pipeline {
namespace {

using Map = Value::Map;
using List = Value::List;

constexpr int kReportSchema = 1;

template <class Items, class Convert>
Value list_of(const Items& items, Convert convert) {
  List list;
  for (const auto& item : items) list.push_back(convert(item));
  return list;
}

Value text_list(const std::vector<Digest>& digests) {
  return list_of(digests, [](const Digest& d) { return Value(d.text); });
}

Value to_value(const SubjectRow& row) {
  Value value = Map{{"subject", row.ledger->subject.text},
                    {"claimed", row.ledger->claimed},
                    {"level", to_string(row.ledger->level)},
                    {"outcome", row.outcome},
                    {"cases", row.cases},
                    {"comparisons", row.comparisons},
                    {"records", text_list(row.ledger->records)}};
  if (row.shown != nullptr) {
    const Outcome& o = row.shown->outcome;
    value.set("verdict", to_string(o.verdict));
    value.set("detail", verdict_detail(o.verdict));
    value.set("seed", std::to_string(row.shown->seed.value));
    value.set("domain", to_string(o.domain));
    value.set("agreement", to_string(o.agreement));
    value.set("measurements", o.measurements);
    value.set("environment", o.environment);
  }
  return value;
}

Value to_value(const Finding& finding) {
  const Evidence& e = *finding.evidence;
  Value value = Map{{"kind", finding.kind},
                    {"subject", e.subject.text},
                    {"arm", to_string(e.arm)},
                    {"mutant", e.mutant.text},
                    {"seed", std::to_string(e.seed.value)},
                    {"message", finding.message},
                    {"record", e.record.text}};
  const auto* refuted = std::get_if<Refuted>(&e.outcome.verdict);
  if (refuted != nullptr && e.arm == Arm::subject) {
    value.set("counterexample", refuted->counterexample);
    value.set("replay", finding.replay);
  }
  if (!finding.again.empty()) value.set("again", finding.again);
  if (!finding.printed.empty()) value.set("printed", finding.printed);
  return value;
}

Value to_value(const Difference& d) {
  return Map{{"digest", to_string(d.part)}, {"name", d.name}, {"was", d.was}, {"now", d.now}};
}

Value to_value(const Stale& s) {
  return Map{{"subject", s.subject.text},
             {"arm", to_string(s.arm)},
             {"mutant", s.mutant.text},
             {"record", s.record.text},
             {"changed", list_of(s.changed, [](const Difference& d) { return to_value(d); })}};
}

Value to_value(const ClaimRow& row) {
  const ClaimLedger& c = *row.ledger;
  return Map{
      {"contract", c.contract.text},
      {"claim", c.claim.text},
      {"rule", row.claim->rule},
      {"prediction", row.claim->prediction},
      {"expect", row.claim->expect == Expect::survived ? "survived" : "refuted"},
      {"level", to_string(c.level)},
      {"vacuous", c.vacuous()},
      {"subjects", list_of(row.subjects, [](const SubjectRow& s) { return to_value(s); })},
      {"mutants", Map{{"named", c.mutants_named}, {"killed", c.mutants_killed}}},
      {"findings", list_of(row.findings, [](const Finding& f) { return to_value(f); })},
      {"caps", list_of(c.caps,
                       [](const Cap& cap) {
                         return Value(Map{{"cap", to_string(cap.kind)}, {"who", cap.who}});
                       })},
      {"blockers", list_of(c.blockers,
                           [](const Blocker& b) {
                             return Value(Map{{"blocker", to_string(b.kind)}, {"why", b.why}});
                           })},
      {"stale", list_of(c.stale, [](const Stale& s) { return to_value(s); })},
      {"not_compared", list_of(c.unknown, [](const std::string& text) { return Value(text); })},
      {"next", c.next},
      {"records", text_list(c.records)},
  };
}

Value to_value(const Change& change) {
  return Map{{"claim", change.claim.text},
             {"worse", is_worse(change.kind)},
             {"before", change.before ? Value(to_string(*change.before)) : Value()},
             {"after", change.after ? Value(to_string(*change.after)) : Value()},
             {"words", change.words}};
}

Value run_value(const RunReport& report) {
  if (!report.facts) return {};
  const RunFacts& f = *report.facts;
  double seconds = 0;
  for (const Observation& o : report.observations) {
    if (!o.from_cache) seconds += o.duration_s;
  }
  return Map{{"id", f.id},
             {"seed", std::to_string(f.seed.value)},
             {"options", f.options},
             {"toolchain", f.toolchain},
             {"finished", f.finished},
             {"interrupted", f.interrupted},
             {"jobs", std::uint64_t{report.evidence.size()}},
             {"job_seconds", seconds}};
}

Value levels_value(const Ledger& ledger) {
  std::map<Level, int> counts;
  for (const ClaimLedger& claim : ledger.claims) ++counts[claim.level];
  Value value = Map{};
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    value.set(kLevelNames[i], counts[static_cast<Level>(i)]);
  }
  return value;
}

Value tally_value(const Tally& t) {
  return Map{{"passed", t.passed}, {"failed", t.failed}, {"skipped", t.skipped}};
}

}  // namespace

std::string report_json(const RunReport& report) {
  Value document = Map{{"schema", kReportSchema}, {"tool", "refute"}};
  document.set("exits", list_of(report.exits, [](ExitCode code) {
                 return Value(Map{{"code", static_cast<int>(code)}, {"meaning", meaning_of(code)}});
               }));
  document.set("levels", levels_value(report.ledger));
  document.set("jobs", tally_value(tally(report.contracts, report.evidence)));
  document.set("run", run_value(report));
  if (!report.notes.empty()) {
    document.set("notes", list_of(report.notes, [](const std::string& n) { return Value(n); }));
  }
  if (report.baseline) {
    document.set("baseline", report.baseline->name);
    document.set("changes", list_of(changes_since(*report.baseline, report.ledger),
                                    [](const Change& c) { return to_value(c); }));
  }
  document.set("claims", list_of(rows_of(report), [](const ClaimRow& r) { return to_value(r); }));
  return json::dump_pretty(document);
}

}  // namespace refute::pipeline
