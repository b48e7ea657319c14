#pragma once

// The linter's passes, one theme each. A pass looks at one file, but for lint_across.

#include <map>
#include <span>
#include <string>

#include "harness/model/ids.hpp"
#include "harness/model/level.hpp"
#include "harness/pipeline/load/document.hpp"
#include "harness/pipeline/load/findings.hpp"

namespace refute::pipeline {

/// Levels computed from evidence; null when nobody computed them.
using ComputedLevels = std::map<ClaimId, Level>;

void lint_metadata(const Document& document, Findings& findings);
void lint_references(const Document& document, Findings& findings);
void lint_ids(const Document& document, Findings& findings);
void lint_ledger(const Document& document, const ComputedLevels* levels, Findings& findings);
void lint_summary(const Document& document, Findings& findings);
void lint_requires(const Document& document, Findings& findings);
void lint_parameters(const Document& document, Findings& findings);
void lint_vacuity(const Document& document, Findings& findings);
void lint_tests(const Document& document, Findings& findings);
/// Looks for the files that a contract names, below the folders above it.
void lint_files(const Document& document, Findings& findings);

struct Checked {
  const Document& document;
  Findings& findings;
};

/// Ids, dependencies and cycles across files.
void lint_across(std::span<Checked> files);

}  // namespace refute::pipeline
