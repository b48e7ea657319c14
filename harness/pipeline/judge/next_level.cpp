#include "harness/pipeline/judge/next_level.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/pipeline/judge/judge.hpp"
#include "harness/pipeline/judge/requirement.hpp"

namespace refute::pipeline {
namespace {

using Records = std::vector<const Evidence*>;

std::string cap_words(const Cap& cap) {
  switch (cap.kind) {
    case CapKind::crashed:
      return fmt::format("{} that does not crash", cap.who);
    case CapKind::timed_out:
      return fmt::format("a run of {} within its time limit", cap.who);
    case CapKind::broken:
      return fmt::format("a worker that gives a record of {}", cap.who);
    case CapKind::nondeterministic:
      return fmt::format("{} that answers alike under one seed", cap.who);
    case CapKind::mutant_lives:
      return fmt::format("a check that refutes the mutant {}", cap.who);
    case CapKind::negated_survives:
      return fmt::format("a check on {} that can fail: its negation survives too", cap.who);
    case CapKind::control_refuted:
      return fmt::format("a check that the control {} survives", cap.who);
    case CapKind::power_unproven:
      return cap.who;
  }
  return "";
}

/// All caps in one sentence; what has only not been run yet is said once for all of it.
std::string caps_words(const std::vector<Cap>& caps) {
  std::vector<std::string> words, not_run;
  for (const Cap& cap : caps) {
    (cap.kind == CapKind::power_unproven ? not_run : words).push_back(cap_words(cap));
  }
  if (!not_run.empty()) {
    words.push_back(
        fmt::format("a run of {} that shows the check's power", fmt::join(not_run, ", ")));
  }
  return fmt::format("{}", fmt::join(words, "; "));
}

/// The fresh record of the subject that comes nearest to the requirement.
std::vector<std::string> nearest_lack(const Claim& claim, const Requirement& r,
                                      const SubjectName& subject, const Records& fresh) {
  std::vector<std::string> least = conditions(r);
  for (const Evidence* e : fresh) {
    if (e->arm != Arm::subject || e->subject != subject || !as_expected(claim, *e)) continue;
    std::vector<std::string> lack = lacks(r, *e);
    if (lack.size() < least.size()) least = std::move(lack);
  }
  return least;
}

bool has_expected(const Claim& claim, const SubjectName& subject, const Records& fresh) {
  return std::ranges::any_of(fresh, [&](const Evidence* e) {
    return e->arm == Arm::subject && e->subject == subject && as_expected(claim, *e);
  });
}

bool is_met(const Claim& claim, const Requirement& r, const SubjectName& subject,
            const Records& fresh) {
  return std::ranges::any_of(fresh, [&](const Evidence* e) {
    return e->arm == Arm::subject && e->subject == subject && as_expected(claim, *e) &&
           lacks(r, *e).empty();
  });
}

/// What keeps one subject from meeting a requirement, as blockers that cannot be removed by running
/// again here.
class Blocking {
 public:
  Blocking(const Today& today, const Binding& binding, const Records& fresh)
      : today_(today), binding_(binding), fresh_(fresh) {}

  void subject(const Requirement& r, const SubjectName& name) {
    if (!binding_.subjects.contains(name)) {
      add(BlockerKind::upstream_missing, fmt::format("no worker offers {}", name.text));
    }
    fixture(r);
    device(r, name);
    for (const Evidence* e : fresh_) {
      if (e->arm != Arm::subject || e->subject != name) continue;
      if (const auto* d = std::get_if<Declined>(&e->outcome.verdict)) declined(r, name, *d);
    }
  }

  std::vector<Blocker> take() { return {found_.begin(), found_.end()}; }

 private:
  void add(BlockerKind kind, std::string why) { found_.insert({kind, std::move(why)}); }

  void fixture(const Requirement& r) {
    if (r.fixture.empty() || today_.fixtures.contains(r.fixture)) return;
    add(BlockerKind::fixture_absent, fmt::format("{} is not here", r.fixture));
  }

  static bool needs_device(const Requirement& r, const SubjectName& name) {
    return !r.device.empty() || r.min_sm || backend_of(name) == "cuda";
  }

  void device(const Requirement& r, const SubjectName& name) {
    if (!needs_device(r, name)) return;
    const std::optional<int> sm = sm_of(today_.architecture);
    if (!sm) {
      add(BlockerKind::device_absent, fmt::format("no cuda device here for {}", name.text));
    } else if (*sm < r.min_sm.value_or(0)) {
      add(BlockerKind::device_absent,
          fmt::format("the device here is {}, below sm_{}", today_.architecture, *r.min_sm));
    }
  }

  void declined(const Requirement& r, const SubjectName& name, const Declined& d) {
    const std::string why = fmt::format("{} declined: {}", name.text,
                                        d.message.empty() ? to_string(d.reason) : d.message);
    switch (d.reason) {
      case DeclineReason::no_fixture:
        // A fixture that is here by now was only absent when that record was made.
        if (r.fixture.empty()) add(BlockerKind::fixture_absent, why);
        return;
      case DeclineReason::no_device:
      case DeclineReason::wrong_architecture:
        if (!needs_device(r, name)) add(BlockerKind::device_absent, why);
        return;
      case DeclineReason::not_served:
        add(BlockerKind::upstream_missing, why);
        return;
      case DeclineReason::no_power:
      case DeclineReason::zero_cases:
      case DeclineReason::no_memory:
        return;
    }
  }

  const Today& today_;
  const Binding& binding_;
  const Records& fresh_;
  std::set<Blocker> found_;
};

/// What subjects still lack, without their names: those that lack the same are named together.
struct Lack {
  bool expected = false;                ///< one of their records has the expected outcome
  std::vector<std::string> conditions;  ///< that the nearest record does not meet
  bool power = false;                   ///< the negated check was not refuted yet

  bool nothing() const { return expected && conditions.empty() && !power; }
  bool operator==(const Lack&) const = default;
};

std::string lack_words(const Claim& claim, const std::vector<std::string>& names,
                       const Lack& lack) {
  const bool one = names.size() == 1;
  const std::string who = fmt::format("{}", fmt::join(names, " and "));
  std::vector<std::string> parts;
  if (!lack.expected) {
    const std::string_view outcome = claim.expect == Expect::survived
                                         ? (one ? "survives" : "survive")
                                     : one ? "is refuted"
                                           : "are refuted";
    parts.push_back(lack.conditions.empty() ? fmt::format("{} {}", who, outcome)
                                            : fmt::format("{} {} on {}", who, outcome,
                                                          fmt::join(lack.conditions, ", with ")));
  } else if (!lack.conditions.empty()) {
    parts.push_back(
        fmt::format("{} {} {}", who, one ? "shows" : "show", fmt::join(lack.conditions, " and ")));
  }
  if (lack.power) parts.push_back(fmt::format("the negated check on {} is refuted", who));
  return fmt::format("{}", fmt::join(parts, " and "));
}

void explain_level(const Claim& claim, Level level, const Requirement& r, const Today& today,
                   const Binding& binding, const Records& fresh, const Power& power,
                   ClaimLedger& result) {
  Blocking blocking(today, binding, fresh);
  std::vector<std::pair<Lack, std::vector<std::string>>> groups;
  for (const SubjectName& subject : subjects_of(claim, r)) {
    const bool met = is_met(claim, r, subject, fresh);
    if (!met || !binding.subjects.contains(subject)) blocking.subject(r, subject);
    const Lack lack{has_expected(claim, subject, fresh), nearest_lack(claim, r, subject, fresh),
                    !power.proven_for(claim, subject)};
    if (lack.nothing()) continue;
    auto group = std::ranges::find(groups, lack, &decltype(groups)::value_type::first);
    if (group == groups.end()) group = groups.insert(groups.end(), {lack, {}});
    group->second.push_back(subject.text);
  }
  result.blockers = blocking.take();
  if (!result.next.empty() || groups.empty()) return;
  std::vector<std::string> missing;
  for (const auto& [lack, names] : groups) missing.push_back(lack_words(claim, names, lack));
  result.next = fmt::format("{}: {}", to_string(level), fmt::join(missing, "; "));
}

std::optional<Level> level_above(Level level) {
  for (const Level candidate : kEarnedLevels) {
    if (candidate > level) return candidate;
  }
  return std::nullopt;
}

/// A level that the contract says nothing about: an open question if something above it, or nothing
/// at all, is asked.
void explain_gap(const Claim& claim, Level level, ClaimLedger& result) {
  const bool asks_higher = std::ranges::any_of(
      claim.requirements, [&](const auto& entry) { return entry.first > level; });
  if (asks_higher || level == Level::partial_algorithm_level) {
    result.blockers.push_back(
        {BlockerKind::spec_open,
         fmt::format("the contract does not say what {} takes", to_string(level))});
  }
  if (result.next.empty()) {
    result.next = fmt::format("the contract does not say what {} takes", to_string(level));
  }
}

}  // namespace

void explain_next(const Claim& claim, const Today& today, const Binding& binding,
                  const Records& fresh, const Power& power, ClaimLedger& result) {
  if (result.level == Level::refuted) {
    result.next = claim.expect == Expect::survived
                      ? "a correction of the code or of the claim: fresh evidence refutes it"
                      : "a correction of the claim: it is expected to be refuted and survives";
    return;
  }
  if (!result.caps.empty()) {
    result.next = caps_words(result.caps);
  }
  const std::optional<Level> above = level_above(result.level);
  if (!above) return;
  const auto found = claim.requirements.find(*above);
  if (found == claim.requirements.end()) return explain_gap(claim, *above, result);
  if (const std::string flaw = defect(claim, *above, found->second); !flaw.empty()) {
    const std::string why = fmt::format("the requirement of {} {}", to_string(*above), flaw);
    result.blockers.push_back({BlockerKind::spec_open, why});
    if (result.next.empty()) result.next = why;
    return;
  }
  explain_level(claim, *above, found->second, today, binding, fresh, power, result);
}

std::string unknown_words(const Difference& d) {
  switch (d.part) {
    case Part::claim:
      return "the claim's digest is unknown";
    case Part::source:
      return fmt::format("the {} backend is not built here", d.name);
    case Part::input:
      return fmt::format("the fixture {} is not here", d.name);
    case Part::architecture:
      return fmt::format("there is no GPU here ({} in the record)", d.was);
  }
  return "";
}

}  // namespace refute::pipeline
