#include "harness/pipeline/judge/power.hpp"

#include <algorithm>

#include "harness/pipeline/judge/judge.hpp"

namespace refute::pipeline {
namespace {

using Records = std::vector<const Evidence*>;

bool survived(const Evidence& e) {
  return std::holds_alternative<Survived>(e.outcome.verdict);
}
bool refuted(const Evidence& e) {
  return std::holds_alternative<Refuted>(e.outcome.verdict);
}

Records of_mutant(const Records& fresh, const MutantName& mutant) {
  Records result;
  std::ranges::copy_if(fresh, std::back_inserter(result), [&](const Evidence* e) {
    return e->arm == Arm::mutant && e->mutant == mutant;
  });
  return result;
}

/// A mutant that lived under any seed lives: another seed's luck does not kill it.
void judge_mutant(const Claim& claim, const Records& fresh, const MutantName& mutant,
                  Power& power) {
  const Records runs = of_mutant(fresh, mutant);
  const bool lives = std::ranges::any_of(runs, [](const Evidence* e) { return survived(*e); });
  const bool killed =
      std::ranges::any_of(runs, [&](const Evidence* e) { return as_expected(claim, *e); });
  if (lives) {
    power.caps.push_back({CapKind::mutant_lives, mutant.text});
  } else if (killed) {
    ++power.mutants_killed;
  } else {
    power.caps.push_back({CapKind::power_unproven, mutant.text});
  }
}

void judge_negated(const Claim& claim, const Records& fresh, Power& power) {
  std::set<SubjectName> survivors;
  for (const Evidence* e : fresh) {
    if (e->arm != Arm::negated) continue;
    if (survived(*e)) survivors.insert(e->subject);
    if (as_expected(claim, *e)) power.proven.insert(e->subject);
  }
  for (const SubjectName& subject : survivors) {
    power.caps.push_back({CapKind::negated_survives, subject.text});
  }
}

void judge_control(const Claim& claim, const Records& fresh, Power& power) {
  const std::string name = claim.control ? claim.control->text : "control";
  bool survives = false, dies = false;
  for (const Evidence* e : fresh) {
    if (e->arm != Arm::control || !claim.control || e->subject != *claim.control) continue;
    survives |= as_expected(claim, *e);
    dies |= refuted(*e);
  }
  if (dies) {
    power.caps.push_back({CapKind::control_refuted, name});
  } else if (!survives) {
    power.caps.push_back({CapKind::power_unproven, name});
  }
}

}  // namespace

Power power_of(const Claim& claim, const Records& fresh) {
  Power power;
  if (claim.expect == Expect::refuted) {
    judge_control(claim, fresh, power);
    return power;
  }
  for (const MutantName& mutant : claim.mutants) judge_mutant(claim, fresh, mutant, power);
  judge_negated(claim, fresh, power);
  return power;
}

}  // namespace refute::pipeline
