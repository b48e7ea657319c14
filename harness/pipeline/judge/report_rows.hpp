#pragma once

// What the renderers have in common: a report, decided. They only lay it out.

#include <string>
#include <vector>

#include "harness/pipeline/judge/report.hpp"

namespace refute::pipeline {

/// What stands for one subject of a claim: the finding if there is one, else what counts, else why
/// nothing does.
struct SubjectRow {
  const SubjectLedger* ledger = nullptr;
  const Evidence* shown = nullptr;  ///< null: nothing ran, or all of it is stale
  std::string outcome;  ///< "survived", "refuted as expected", "declined", "not run", "stale"
  std::uint64_t cases = 0, comparisons = 0;  ///< over all fresh records of the subject
};

/// Something that a reader has to act on.
struct Finding {
  std::string kind;   ///< "refuted", "survives, expected to be refuted", "crashed", "VACUOUS", …
  std::string about;  ///< "cpu_simd", "cpu_simd, mutant truncate"
  std::string message;                 ///< one line
  const Evidence* evidence = nullptr;  ///< what shows it
  std::string printed;  ///< the end of what the worker printed, where it gave no verdict
  std::string replay;   ///< the command that reproduces it, where it is a refutation of a subject
  std::string again;    ///< the command that runs it alone, where a subject gave no verdict
};

struct ClaimRow {
  const Claim* claim = nullptr;
  const ClaimLedger* ledger = nullptr;
  std::vector<SubjectRow> subjects;
  std::vector<Finding> findings;
  std::string outcome;                ///< "survived on cpu_scalar, cpu_simd; declined on cuda"
  std::string power;                  ///< "2/2 mutants", "control alive", "VACUOUS"
  std::string measured;               ///< of the subjects, each said once
  std::vector<std::string> declined;  ///< "cuda: no CUDA device"
  std::uint64_t cases = 0;
};

/// One row for each claim of the ledger, in its order. Points into the report.
std::vector<ClaimRow> rows_of(const RunReport& report);

/// What the claims of a list take to get further, told once for all that take the same.
struct NextStep {
  std::string words;                 ///< "FUNCTIONAL: cuda shows a live device"
  std::vector<std::string> because;  ///< blockers and what was declined
  std::vector<std::string> claims;
};
/// In the order of the first claim of each.
std::vector<NextStep> next_steps(const std::vector<ClaimRow>& rows);

/// A line for each subject that no contract names: what somebody put under the claims with
/// --worker. "mine: survived 8 of 9 claims; refuted on C-NF4-002"
std::vector<std::string> guest_lines(const std::vector<ClaimRow>& rows);

/// "4 claims: 1 REFUTED, 2 DISCHARGED, 1 OPEN"
std::string level_summary(const Ledger& ledger);

/// What is to be said about a record that is not as expected, on one line.
std::string finding_message(const Evidence& evidence);

/// "the source of cpu changed, the input minilm-l6-v2 changed"
std::string reason_words(const std::vector<Difference>& changed);
/// The same over all stale records of a claim, each reason once.
std::string stale_reasons(const ClaimLedger& claim);

/// The meaning of an exit code, from the table.
std::string_view meaning_of(ExitCode code);

}  // namespace refute::pipeline
