#include "harness/pipeline/judge/exit_codes.hpp"

#include <algorithm>
#include <map>

#include "harness/pipeline/judge/judge.hpp"

namespace refute::pipeline {
namespace {

bool declined(const Evidence& e) {
  return std::holds_alternative<Declined>(e.outcome.verdict);
}

bool no_verdict(const Evidence& e) {
  return std::holds_alternative<TimedOut>(e.outcome.verdict) ||
         std::holds_alternative<Broken>(e.outcome.verdict);
}

bool gave_no_answer(const Evidence& e) {
  return std::holds_alternative<Crashed>(e.outcome.verdict) ||
         std::holds_alternative<Nondeterministic>(e.outcome.verdict);
}

/// What one job alone calls for, so that no job that the tally counts as failed leaves the exit at
/// 0.
std::optional<ExitCode> code_of(const Claim& claim, const Evidence& e) {
  if (no_verdict(e)) return ExitCode::no_verdict;
  if (declined(e) || as_expected(claim, e)) return std::nullopt;
  const bool about_the_subject = e.arm == Arm::subject || gave_no_answer(e);
  return about_the_subject ? ExitCode::findings : ExitCode::vacuous;
}

/// A claim below the demanded level for want of a device or a file is incomplete, otherwise it is a
/// finding.
ExitCode below_level(const ClaimLedger& claim, const std::vector<Evidence>& evidence) {
  const bool lacks_something = std::ranges::any_of(evidence, [&](const Evidence& e) {
    return e.claim == claim.claim && e.arm == Arm::subject && declined(e);
  });
  return lacks_something && claim.caps.empty() ? ExitCode::incomplete : ExitCode::findings;
}

bool is_below(const ClaimLedger& claim, Level wanted) {
  return claim.level != Level::refuted && claim.level < wanted;
}

}  // namespace

std::vector<ExitCode> in_order(std::vector<ExitCode> codes) {
  std::vector<ExitCode> result;
  for (const ExitCodeRow& row : kExitCodes) {
    const bool applies = std::ranges::find(codes, row.code) != codes.end();
    if (applies && (row.code != ExitCode::ok || result.empty())) result.push_back(row.code);
  }
  if (result.empty()) result.push_back(ExitCode::ok);
  return result;
}

ExitCode first_of(const std::vector<ExitCode>& codes) {
  return in_order(codes).front();
}

std::vector<ExitCode> all_that_apply(const std::vector<Contract>& contracts, const Ledger& ledger,
                                     const std::vector<Evidence>& evidence,
                                     const Demands& demands) {
  std::map<ClaimId, const Claim*> claims;
  for (const Contract& contract : contracts) {
    for (const Claim& claim : contract.claims) claims[claim.id] = &claim;
  }
  std::vector<ExitCode> codes;
  bool any = false, ran = false;
  for (const Evidence& e : evidence) {
    const auto claim = claims.find(e.claim);
    if (claim == claims.end()) continue;
    any = true;
    ran = ran || !declined(e);
    if (const auto code = code_of(*claim->second, e)) codes.push_back(*code);
    if (declined(e) && demands.required && demands.required(e)) {
      codes.push_back(ExitCode::incomplete);
    }
  }
  if (!any) codes.push_back(ExitCode::nothing_selected);
  // Single declines are the tester's to weigh, but a run in which nothing ran must not look like
  // one in which everything held.
  if (any && !ran) codes.push_back(ExitCode::incomplete);
  for (const ClaimLedger& claim : ledger.claims) {
    if (claim.level == Level::refuted) codes.push_back(ExitCode::findings);
    if (claim.vacuous()) codes.push_back(ExitCode::vacuous);
    if (demands.min_level && is_below(claim, *demands.min_level)) {
      codes.push_back(below_level(claim, evidence));
    }
  }
  return in_order(std::move(codes));
}

}  // namespace refute::pipeline
