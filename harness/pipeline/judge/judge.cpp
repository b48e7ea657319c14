#include "harness/pipeline/judge/judge.hpp"

#include <algorithm>
#include <map>

#include "harness/digest/claim_digest.hpp"
#include "harness/pipeline/judge/evidence.hpp"
#include "harness/pipeline/judge/next_level.hpp"
#include "harness/pipeline/judge/power.hpp"
#include "harness/pipeline/judge/requirement.hpp"

namespace refute::pipeline {
namespace {

using Records = std::vector<const Evidence*>;

bool ran(const Evidence& e) {
  return e.outcome.coverage.cases > 0;
}
bool compared(const Evidence& e) {
  return ran(e) && e.outcome.coverage.comparisons > 0;
}
bool survived(const Evidence& e) {
  return std::holds_alternative<Survived>(e.outcome.verdict);
}
bool refuted(const Evidence& e) {
  return std::holds_alternative<Refuted>(e.outcome.verdict);
}

/// The outcome that contradicts what the claim expects of a subject.
bool contradicts(const Claim& claim, const Evidence& e) {
  return claim.expect == Expect::survived ? refuted(e) : survived(e);
}

std::optional<CapKind> cap_of(const Verdict& verdict) {
  if (std::holds_alternative<Crashed>(verdict)) return CapKind::crashed;
  if (std::holds_alternative<TimedOut>(verdict)) return CapKind::timed_out;
  if (std::holds_alternative<Broken>(verdict)) return CapKind::broken;
  if (std::holds_alternative<Nondeterministic>(verdict)) return CapKind::nondeterministic;
  return std::nullopt;
}

/// Declined, timed out and broken say nothing that a level could rest on.
bool has_verdict(const Evidence& e) {
  const Verdict& v = e.outcome.verdict;
  return !std::holds_alternative<Declined>(v) && !std::holds_alternative<TimedOut>(v) &&
         !std::holds_alternative<Broken>(v);
}

/// One claim on its way through the rules.
class ClaimJudge {
 public:
  ClaimJudge(const ContractId& contract, const Claim& claim, const Today& today)
      : claim_(claim), today_(today) {
    result_.contract = contract;
    result_.claim = claim.id;
    result_.mutants_named = static_cast<int>(claim.mutants.size());
  }

  ClaimLedger judge(const Records& records) {
    const auto bound = today_.bound.find(claim_.id);
    if (bound == today_.bound.end()) {
      result_.next = "a falsifier with a row for this id";
      return std::move(result_);
    }
    binding_ = &bound->second;
    sort_out(records);
    power_ = power_of(claim_, fresh_);
    result_.mutants_killed = power_.mutants_killed;
    result_.caps = power_.caps;
    judge_subjects();
    result_.level = level();
    tidy();
    explain_next(claim_, today_, *binding_, fresh_, power_, result_);
    return std::move(result_);
  }

 private:
  void sort_out(const Records& records) {
    const Digest digest = claim_digest(claim_);
    for (const Evidence* e : records) {
      Freshness f = freshness(digest, *binding_, today_, *e);
      if (!f.fresh()) {
        result_.stale.push_back({e->subject, e->arm, e->mutant, e->record, std::move(f.changed)});
        continue;
      }
      for (const Difference& d : f.unknown) result_.unknown.push_back(unknown_words(d));
      fresh_.push_back(e);
      if (has_verdict(*e)) result_.records.push_back(e->record);
    }
  }

  void judge_subjects() {
    std::vector<SubjectName> names = claimed_subjects(claim_);
    const std::size_t claimed = names.size();
    std::set<SubjectName> others;
    for (const Evidence* e : fresh_) {
      if (e->arm == Arm::subject && std::ranges::find(names, e->subject) == names.end()) {
        others.insert(e->subject);
      }
    }
    names.insert(names.end(), others.begin(), others.end());
    for (std::size_t i = 0; i < names.size(); ++i) {
      result_.subjects.push_back(judge_subject(names[i], i < claimed));
    }
  }

  SubjectLedger judge_subject(const SubjectName& name, bool claimed) {
    SubjectLedger subject{name, Level::open, claimed, {}};
    bool contradicted = false, capped = !power_.caps.empty();
    for (const Evidence* e : fresh_) {
      if (e->arm != Arm::subject || e->subject != name) continue;
      if (as_expected(claim_, *e)) subject.records.push_back(e->record);
      if (contradicts(claim_, *e)) {
        contradicted = true;
        if (claimed) result_.refuting.push_back(e->record);
      }
      if (const auto cap = cap_of(e->outcome.verdict)) {
        capped = true;
        if (claimed) result_.caps.push_back({*cap, name.text});
      }
    }
    subject.level = contradicted                         ? Level::refuted
                    : !binding_->subjects.contains(name) ? Level::unbound
                    : capped || !power_.proven_for(claim_, name)
                        ? Level::open
                        : climb([&](Level, const Requirement& r) { return meets(r, name); });
    return subject;
  }

  Level level() const {
    const bool refuted = std::ranges::any_of(result_.subjects, [](const SubjectLedger& s) {
      return s.claimed && s.level == Level::refuted;
    });
    if (refuted) return Level::refuted;
    if (!result_.caps.empty()) return Level::open;
    return climb([&](Level, const Requirement& r) {
      return std::ranges::all_of(subjects_of(claim_, r),
                                 [&](const SubjectName& s) { return meets(r, s); });
    });
  }

  /// The highest level whose requirement, and that of every level below, is met.
  template <class Met>
  Level climb(Met met) const {
    Level reached = Level::open;
    for (const Level level : kEarnedLevels) {
      const auto found = claim_.requirements.find(level);
      if (found == claim_.requirements.end() || !defect(claim_, level, found->second).empty())
        break;
      if (!met(level, found->second)) break;
      reached = level;
    }
    return reached;
  }

  bool meets(const Requirement& requirement, const SubjectName& subject) const {
    if (!binding_->subjects.contains(subject) || !power_.proven_for(claim_, subject)) return false;
    return std::ranges::any_of(fresh_, [&](const Evidence* e) {
      return e->arm == Arm::subject && e->subject == subject && as_expected(claim_, *e) &&
             lacks(requirement, *e).empty();
    });
  }

  void tidy() {
    sort_unique(result_.records);
    sort_unique(result_.refuting);
    sort_unique(result_.caps);
    sort_unique(result_.unknown);
    for (SubjectLedger& subject : result_.subjects) sort_unique(subject.records);
  }

  template <class T>
  static void sort_unique(std::vector<T>& items) {
    std::ranges::sort(items);
    items.erase(std::ranges::unique(items).begin(), items.end());
  }

  const Claim& claim_;
  const Today& today_;
  const Binding* binding_ = nullptr;
  Records fresh_;
  Power power_;
  ClaimLedger result_;
};

}  // namespace

bool as_expected(const Claim& claim, const Evidence& e) {
  switch (e.arm) {
    case Arm::subject:
      return claim.expect == Expect::survived ? survived(e) && compared(e) : refuted(e) && ran(e);
    case Arm::mutant:
      return (refuted(e) && ran(e)) || std::holds_alternative<Crashed>(e.outcome.verdict);
    case Arm::negated:
      return refuted(e) && ran(e);
    case Arm::control:
      return survived(e) && compared(e);
  }
  return false;
}

Ledger judge(const std::vector<Contract>& contracts, const Today& today,
             const std::vector<Evidence>& evidence) {
  const std::vector<Evidence> merged = merge(evidence);
  std::map<std::pair<ContractId, ClaimId>, Records> by_claim;
  for (const Evidence& e : merged) by_claim[{e.contract, e.claim}].push_back(&e);
  Ledger ledger;
  for (const Contract& contract : contracts) {
    for (const Claim& claim : contract.claims) {
      ledger.claims.push_back(
          ClaimJudge(contract.id, claim, today).judge(by_claim[{contract.id, claim.id}]));
    }
  }
  std::ranges::stable_sort(ledger.claims, {},
                           [](const ClaimLedger& c) { return std::pair(c.contract, c.claim); });
  return ledger;
}

}  // namespace refute::pipeline
