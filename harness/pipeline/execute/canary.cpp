#include "harness/pipeline/execute/canary.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace refute::pipeline {
namespace {

/// What a canary must be taken for; `because` must stand in the message, so that a lie is caught
/// for what it is.
struct CanaryRow {
  std::string_view claim;
  Arm arm;
  std::string_view verdict, because;
};

constexpr std::array<CanaryRow, 12> kCanaries = {{
    {"CANARY-REFUTED", Arm::subject, "refuted", ""},
    {"CANARY-CRASHED", Arm::subject, "crashed", "was killed by SIG"},
    {"CANARY-EXITED", Arm::subject, "crashed", "exited with status"},
    {"CANARY-HANGS", Arm::subject, "timed_out", ""},
    {"CANARY-GARBAGE", Arm::subject, "broken", "not one JSON document"},
    {"CANARY-SILENT", Arm::subject, "broken", "wrote no record"},
    {"CANARY-FOREIGN", Arm::subject, "broken", "about another"},
    {"CANARY-ZERO", Arm::subject, "broken", "survived, and that no"},
    {"CANARY-DECLINED", Arm::subject, "declined", ""},
    {"CANARY-VACUOUS", Arm::subject, "survived", ""},
    {"CANARY-VACUOUS", Arm::mutant, "survived", ""},
    {"CANARY-NONDETERMINISTIC", Arm::subject, "nondeterministic", ""},
}};

struct Message {
  std::string operator()(const Survived&) const { return ""; }
  std::string operator()(const TimedOut&) const { return ""; }
  template <class WithMessage>
  std::string operator()(const WithMessage& verdict) const {
    return verdict.message;
  }
};

void check(const CanaryRow& row, const std::vector<Evidence>& evidence,
           std::vector<std::string>& problems) {
  const auto at = std::ranges::find_if(
      evidence, [&](const Evidence& e) { return e.claim.text == row.claim && e.arm == row.arm; });
  if (at == evidence.end())
    return problems.push_back(fmt::format("{} ({}) was not run", row.claim, to_string(row.arm)));
  const std::string_view verdict = to_string(at->outcome.verdict);
  const std::string message = std::visit(Message{}, at->outcome.verdict);
  if (verdict == row.verdict && message.find(row.because) != std::string::npos) return;
  problems.push_back(fmt::format("{} ({}) must be {}{}, and was taken for {}{}", row.claim,
                                 to_string(row.arm), row.verdict,
                                 row.because.empty() ? "" : fmt::format(" (\"{}\")", row.because),
                                 verdict, message.empty() ? "" : ": " + message));
}

}  // namespace

std::vector<PlannedJob> canary_jobs(std::vector<PlannedJob> planned) {
  std::erase_if(planned, [](const PlannedJob& p) {
    return p.job.arm == Arm::negated || p.job.arm == Arm::control;
  });
  return planned;
}

std::vector<std::string> canary_problems(const std::vector<Evidence>& evidence) {
  std::vector<std::string> problems;
  for (const CanaryRow& row : kCanaries) check(row, evidence, problems);
  return problems;
}

}  // namespace refute::pipeline
