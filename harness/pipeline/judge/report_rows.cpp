#include "harness/pipeline/judge/report_rows.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/report_words.hpp"
#include "harness/pipeline/judge/requirement.hpp"

namespace refute::pipeline {
namespace {

using Records = std::vector<const Evidence*>;

bool is_declined(const Evidence& e) {
  return std::holds_alternative<Declined>(e.outcome.verdict);
}

/// What a reader should see first when a subject has several records.
int weight(const Claim& claim, const Evidence& e) {
  if (as_expected(claim, e)) return 1;
  if (is_declined(e)) return 0;
  if (std::holds_alternative<TimedOut>(e.outcome.verdict)) return 2;
  if (std::holds_alternative<Broken>(e.outcome.verdict)) return 3;
  if (std::holds_alternative<Crashed>(e.outcome.verdict)) return 4;
  if (std::holds_alternative<Nondeterministic>(e.outcome.verdict)) return 5;
  return 6;
}

std::string outcome_words(const Claim& claim, const Evidence& e) {
  const std::string word = verdict_words(e.outcome.verdict);
  if (e.arm != Arm::subject || claim.expect == Expect::survived) return word;
  if (as_expected(claim, e)) return "refuted as expected";
  return std::holds_alternative<Survived>(e.outcome.verdict) ? "survived unexpectedly" : word;
}

std::string finding_kind(const Claim& claim, const Evidence& e) {
  if (e.arm == Arm::subject && std::holds_alternative<Survived>(e.outcome.verdict)) {
    return claim.expect == Expect::refuted ? "survived, though expected to be refuted"
                                           : "survived nothing";
  }
  const bool about_the_check =
      e.arm != Arm::subject && (std::holds_alternative<Survived>(e.outcome.verdict) ||
                                std::holds_alternative<Refuted>(e.outcome.verdict));
  return about_the_check ? "VACUOUS" : verdict_words(e.outcome.verdict);
}

/// The end of what a worker printed that gave no verdict: there, that is all there is to go by.
std::string printed_by(const RunReport& report, const Evidence& e) {
  const Verdict& v = e.outcome.verdict;
  if (!gave_no_verdict(v)) return "";
  const auto seen = std::ranges::find(report.observations, e.record, &Observation::record);
  if (seen == report.observations.end()) return "";
  constexpr std::size_t kShown = 600;
  const std::string& all = seen->output;
  return all.size() > kShown ? "…" + all.substr(all.size() - kShown) : all;
}

std::string replay_of(const RunReport& report, const Evidence& e) {
  if (e.arm != Arm::subject || !std::holds_alternative<Refuted>(e.outcome.verdict)) return "";
  return replay_command(e, report.facts ? &*report.facts : nullptr);
}

std::string again_of(const RunReport& report, const Evidence& e) {
  if (e.arm != Arm::subject || !gave_no_verdict(e.outcome.verdict)) return "";
  return rerun_command(e, report.facts ? &*report.facts : nullptr);
}

class RowBuilder {
 public:
  RowBuilder(const RunReport& report, const Claim& claim, const ClaimLedger& ledger,
             const Records& records)
      : report_(report) {
    row_.claim = &claim;
    row_.ledger = &ledger;
    std::set<Digest> stale;
    for (const Stale& s : ledger.stale) stale.insert(s.record);
    for (const Evidence* e : records) (stale.contains(e->record) ? stale_ : fresh_).push_back(e);
  }

  ClaimRow build() {
    for (const SubjectLedger& subject : row_.ledger->subjects) {
      row_.subjects.push_back(subject_row(subject));
    }
    for (const Evidence* e : fresh_) add_finding(*e);
    summarise_outcome();
    summarise_power();
    summarise_shown();
    return std::move(row_);
  }

 private:
  SubjectRow subject_row(const SubjectLedger& subject) const {
    SubjectRow row;
    row.ledger = &subject;
    for (const Evidence* e : fresh_) {
      if (e->arm != Arm::subject || e->subject != subject.subject) continue;
      row.cases += e->outcome.coverage.cases;
      row.comparisons += e->outcome.coverage.comparisons;
      if (!row.shown || weight(*row_.claim, *e) > weight(*row_.claim, *row.shown)) row.shown = e;
    }
    if (row.shown) {
      row.outcome = outcome_words(*row_.claim, *row.shown);
    } else {
      row.outcome =
          std::ranges::any_of(stale_,
                              [&](const Evidence* e) {
                                return e->arm == Arm::subject && e->subject == subject.subject;
                              })
              ? "stale"
              : "not run";
    }
    return row;
  }

  void add_finding(const Evidence& e) {
    if (is_declined(e) || as_expected(*row_.claim, e)) return;
    const std::string arm = arm_words(e);
    row_.findings.push_back({finding_kind(*row_.claim, e),
                             arm.empty() ? e.subject.text : e.subject.text + ", " + arm,
                             finding_message(e), &e, printed_by(report_, e), replay_of(report_, e),
                             again_of(report_, e)});
  }

  void summarise_outcome() {
    if (row_.ledger->level == Level::unbound) {
      row_.outcome = "no falsifier";
      return;
    }
    std::vector<std::pair<std::string, std::vector<std::string>>> groups;
    for (const SubjectRow& s : row_.subjects) {
      row_.cases += s.cases;
      auto group = std::ranges::find(groups, s.outcome, &decltype(groups)::value_type::first);
      if (group == groups.end()) group = groups.insert(groups.end(), {s.outcome, {}});
      group->second.push_back(s.ledger->subject.text);
    }
    std::vector<std::string> parts;
    for (const auto& [outcome, subjects] : groups) {
      parts.push_back(fmt::format("{} on {}", outcome, joined(subjects, ", ")));
    }
    row_.outcome = joined(parts, "; ");
  }

  void summarise_power() {
    const ClaimLedger& ledger = *row_.ledger;
    if (ledger.vacuous()) {
      row_.power = "VACUOUS";
    } else if (row_.claim->expect == Expect::refuted) {
      const bool unproven = std::ranges::any_of(
          ledger.caps, [](const Cap& cap) { return cap.kind == CapKind::power_unproven; });
      row_.power = ledger.level == Level::unbound || unproven ? "control not run" : "control alive";
    } else if (ledger.mutants_named > 0) {
      row_.power = mutants_words(ledger);
    } else {
      row_.power = "no mutants";
    }
  }

  /// A mutant whose evidence went stale has not come alive: it is unknown, and said to be.
  std::string mutants_words(const ClaimLedger& ledger) const {
    std::set<std::string> stale;
    for (const Evidence* e : stale_) {
      if (e->arm == Arm::mutant) stale.insert(e->mutant.text);
    }
    for (const Evidence* e : fresh_) {
      if (e->arm == Arm::mutant) stale.erase(e->mutant.text);
    }
    std::string words =
        fmt::format("{}/{} mutants dead", ledger.mutants_killed, ledger.mutants_named);
    if (stale.empty()) return words;
    if (ledger.mutants_killed == 0) return fmt::format("{} mutants stale", stale.size());
    return words + fmt::format(", {} stale", stale.size());
  }

  void summarise_shown() {
    std::vector<std::string> all;
    for (const SubjectRow& s : row_.subjects) {
      if (s.shown == nullptr) continue;
      if (is_declined(*s.shown)) {
        row_.declined.push_back(fmt::format("{}: {}", s.ledger->subject.text,
                                            printable(verdict_detail(s.shown->outcome.verdict))));
      }
      std::string words = measured(s.shown->outcome.measurements);
      if (!words.empty() && std::ranges::find(all, words) == all.end()) all.push_back(words);
    }
    row_.measured = joined(all, " / ");
  }

  const RunReport& report_;
  ClaimRow row_;
  Records fresh_, stale_;
};

auto record_order(const Evidence* e) {
  return std::tie(e->arm, e->subject, e->mutant, e->seed, e->record);
}

}  // namespace

std::string finding_message(const Evidence& e) {
  const bool survived = std::holds_alternative<Survived>(e.outcome.verdict);
  switch (e.arm) {
    case Arm::subject:
      return survived && e.outcome.coverage.comparisons == 0
                 ? "no case was run, or nothing was compared"
                 : printable(verdict_detail(e.outcome.verdict));
    case Arm::mutant:
      if (survived) return "the check lets this wrong implementation live";
      break;
    case Arm::negated:
      if (survived) return "the check survives its own negation: it compares nothing";
      break;
    case Arm::control:
      if (!survived) return "the check refutes its positive control too";
      break;
  }
  return printable(verdict_detail(e.outcome.verdict));
}

std::vector<ClaimRow> rows_of(const RunReport& report) {
  std::map<std::pair<ContractId, ClaimId>, Records> records;
  for (const Evidence& e : report.evidence) records[{e.contract, e.claim}].push_back(&e);
  std::map<std::pair<ContractId, ClaimId>, const Claim*> claims;
  for (const Contract& contract : report.contracts) {
    for (const Claim& claim : contract.claims) claims[{contract.id, claim.id}] = &claim;
  }
  std::vector<ClaimRow> rows;
  for (const ClaimLedger& ledger : report.ledger.claims) {
    const std::pair key(ledger.contract, ledger.claim);
    const auto claim = claims.find(key);
    if (claim == claims.end()) continue;
    std::ranges::sort(records[key], {}, record_order);
    rows.push_back(RowBuilder(report, *claim->second, ledger, records[key]).build());
  }
  return rows;
}

std::vector<NextStep> next_steps(const std::vector<ClaimRow>& rows) {
  std::vector<NextStep> steps;
  for (const ClaimRow& row : rows) {
    const ClaimLedger& c = *row.ledger;
    if (c.next.empty()) continue;
    NextStep step{c.next, {}, {c.claim.text}};
    for (const Blocker& blocker : c.blockers) {
      step.because.push_back(fmt::format("{}: {}", to_string(blocker.kind), blocker.why));
    }
    for (const std::string& declined : row.declined) {
      step.because.push_back("declined on " + declined);
    }
    const auto same = std::ranges::find_if(steps, [&](const NextStep& s) {
      return s.words == step.words && s.because == step.because;
    });
    if (same == steps.end()) {
      steps.push_back(std::move(step));
    } else {
      same->claims.push_back(c.claim.text);
    }
  }
  return steps;
}

std::vector<std::string> guest_lines(const std::vector<ClaimRow>& rows) {
  struct Guest {
    int tried = 0;
    std::map<std::string, std::vector<std::string>> claims;  // by outcome
  };
  std::map<std::string, Guest> guests;
  for (const ClaimRow& row : rows) {
    for (const SubjectRow& s : row.subjects) {
      const SubjectName& name = s.ledger->subject;
      const std::vector<SubjectName> claimed = claimed_subjects(*row.claim);
      if (std::ranges::find(claimed, name) != claimed.end()) continue;
      Guest& guest = guests[name.text];
      ++guest.tried;
      guest.claims[s.outcome].push_back(row.ledger->claim.text);
    }
  }
  std::vector<std::string> lines;
  for (const auto& [name, guest] : guests) {
    const auto survived = guest.claims.find("survived");
    const std::size_t count = survived == guest.claims.end() ? 0 : survived->second.size();
    const bool all = count == static_cast<std::size_t>(guest.tried);
    std::string line = fmt::format("{}: survived {}{} that it was bound to", name,
                                   all ? "all " : fmt::format("{} of the ", count),
                                   counted(static_cast<std::uint64_t>(guest.tried), "claim"));
    for (const auto& [outcome, claims] : guest.claims) {
      if (outcome != "survived") line += fmt::format("; {}: {}", outcome, joined(claims, ", "));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string reason_words(const std::vector<Difference>& changed) {
  std::vector<std::string> reasons;
  for (const Difference& d : changed) {
    switch (d.part) {
      case Part::claim:
        reasons.push_back("the claim changed");
        break;
      case Part::source:
        reasons.push_back(fmt::format("the source of {} changed", d.name));
        break;
      case Part::input:
        reasons.push_back(fmt::format("the input {} changed", d.name));
        break;
      case Part::architecture:
        reasons.push_back(fmt::format("made on {}, here is {}", d.was, d.now));
        break;
    }
  }
  return joined(reasons, ", ");
}

std::string stale_reasons(const ClaimLedger& claim) {
  std::set<std::string> reasons;
  for (const Stale& s : claim.stale) {
    for (const Difference& d : s.changed) reasons.insert(reason_words({d}));
  }
  return joined({reasons.begin(), reasons.end()}, ", ");
}

std::string_view meaning_of(ExitCode code) {
  for (const ExitCodeRow& row : kExitCodes) {
    if (row.code == code) return row.meaning;
  }
  return "";
}

std::string level_summary(const Ledger& ledger) {
  std::map<Level, int> counts;
  for (const ClaimLedger& claim : ledger.claims) ++counts[claim.level];
  std::vector<std::string> parts;
  for (auto it = counts.rbegin(); it != counts.rend(); ++it) {
    parts.push_back(fmt::format("{} {}", it->second, to_string(it->first)));
  }
  const auto vacuous = std::ranges::count_if(ledger.claims, &ClaimLedger::vacuous);
  if (vacuous > 0) parts.push_back(fmt::format("{} of them VACUOUS", vacuous));
  const std::string claims = counted(ledger.claims.size(), "claim");
  return parts.empty() ? claims : fmt::format("{}: {}", claims, joined(parts, ", "));
}

}  // namespace refute::pipeline
