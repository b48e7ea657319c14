#include "harness/pipeline/judge/requirement.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "harness/pipeline/judge/today.hpp"

namespace refute::pipeline {
namespace {

bool read_fixture(const Evidence& evidence, const std::string& name) {
  return evidence.outcome.domain == Domain::fixture &&
         std::ranges::any_of(evidence.outcome.inputs,
                             [&](const InputDigest& input) { return input.name == name; });
}

bool on_device(const Requirement& requirement, const Evidence& evidence) {
  if (!requirement.device.empty() && requirement.device != "cuda") return false;
  const std::optional<int> sm = sm_of(evidence.provenance.architecture);
  return sm && *sm >= requirement.min_sm.value_or(0);
}

bool agrees(const std::string& wanted, const Outcome& outcome) {
  if (outcome.agreement != Agreement::bytewise) return false;
  return wanted == "bytewise" || (wanted == "exhaustive" && outcome.domain == Domain::exhaustive);
}

int machines_of(const Evidence& evidence) {
  std::set<Digest> machines;
  for (const Attestation& attestation : evidence.attestations) {
    if (attestation.record == evidence.record) machines.insert(attestation.machine);
  }
  return static_cast<int>(machines.size());
}

bool names_device(const Requirement& requirement) {
  return !requirement.device.empty() || requirement.min_sm;
}

std::string device_words(const Requirement& requirement) {
  const std::string device = requirement.device.empty() ? "cuda" : requirement.device;
  return requirement.min_sm
             ? fmt::format("a live {} device of sm_{} or higher", device, *requirement.min_sm)
             : fmt::format("a live {} device", device);
}

/// One condition: whether the record has it, and how it is called. In the order in which a reader
/// should hear of them.
template <class Visit>
void each_condition(const Requirement& r, const Evidence* e, Visit visit) {
  if (r.live) {
    // A sample says little of code that nobody sampled: only a whole input space is as live as real
    // weights are.
    visit(e && e->outcome.domain != Domain::generated, "every input, or something real");
  }
  if (names_device(r)) visit(e && on_device(r, *e), device_words(r));
  if (!r.fixture.empty()) {
    visit(e && read_fixture(*e, r.fixture), fmt::format("the fixture {}", r.fixture));
  }
  if (!r.command.empty()) {
    visit(e && e->outcome.domain == Domain::live, fmt::format("the live command `{}`", r.command));
  }
  if (!r.agreement.empty()) {
    visit(e && agrees(r.agreement, e->outcome), r.agreement == "exhaustive"
                                                    ? "bytewise agreement over the whole space"
                                                    : r.agreement + " agreement with an oracle");
  }
  if (r.machines > 0) {
    visit(e && machines_of(*e) >= r.machines,
          fmt::format("the same record from {} machines", r.machines));
  }
}

}  // namespace

const std::vector<SubjectName>& subjects_of(const Claim& claim, const Requirement& requirement) {
  return requirement.subjects.empty() ? claim.subjects : requirement.subjects;
}

std::vector<SubjectName> claimed_subjects(const Claim& claim) {
  std::vector<SubjectName> all = claim.subjects;
  for (const auto& [level, requirement] : claim.requirements) {
    for (const SubjectName& subject : requirement.subjects) {
      if (std::ranges::find(all, subject) == all.end()) all.push_back(subject);
    }
  }
  return all;
}

std::string defect(const Claim& claim, Level level, const Requirement& r) {
  if (subjects_of(claim, r).empty()) return "names no subject";
  if (!r.agreement.empty() && r.agreement != "bytewise" && r.agreement != "exhaustive") {
    return fmt::format("asks for the agreement \"{}\", which is neither bytewise nor exhaustive",
                       r.agreement);
  }
  const bool live = r.live || !r.fixture.empty() || !r.command.empty() || names_device(r);
  if (level == Level::functional && !live) {
    return "does not say what is live: the subject, a fixture, a device or a command";
  }
  if (level == Level::discharged && r.agreement.empty() && r.machines < 2) {
    return "asks neither for agreement with an oracle nor for two machines";
  }
  return "";
}

std::vector<std::string> lacks(const Requirement& requirement, const Evidence& evidence) {
  std::vector<std::string> missing;
  each_condition(requirement, &evidence, [&](bool met, std::string what) {
    if (!met) missing.push_back(std::move(what));
  });
  return missing;
}

std::vector<std::string> conditions(const Requirement& requirement) {
  std::vector<std::string> all;
  each_condition(requirement, nullptr,
                 [&](bool, std::string what) { all.push_back(std::move(what)); });
  return all;
}

}  // namespace refute::pipeline
