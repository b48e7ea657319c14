#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

void check_unique(const Document& document, std::string_view section, Findings& findings) {
  std::map<std::string_view, const SpanNode*> seen;
  for (const SpanNode* entry : document.entries(section)) {
    const SpanNode* id = entry->find("id");
    if (id == nullptr || !id->is_scalar() || trimmed(id->text).empty()) continue;
    const auto [it, fresh] = seen.emplace(trimmed(id->text), id);
    if (fresh) continue;
    findings.add("RF0307", Severity::error, *id, fmt::format("id `{}` is given twice", it->first),
                 fmt::format("first given at line {}", it->second->span.line));
  }
}

// FALSIFY-CRUX-B-11-004 and C-NF4-002 belong to CRUX-B-11 and C-NF4.
bool belongs(std::string_view claim, std::string_view contract) {
  if (claim.starts_with("FALSIFY-")) claim.remove_prefix(8);
  return claim.size() > contract.size() && claim.starts_with(contract) &&
         claim[contract.size()] == '-';
}

void check_form(const Document& document, const SpanNode& claim, Findings& findings) {
  const SpanNode* id = claim.find("id");
  if (id == nullptr || !id->is_scalar()) return;
  const std::string_view text = trimmed(id->text);
  const bool judged_already =
      text.empty() || text.find_first_of(" \t\n") != std::string_view::npos || is_placeholder(text);
  if (judged_already) return;
  const std::string contract = document.contract_id();
  if (!is_claim_id(text)) {
    findings.add(
        "RF0309", document.machine_read ? Severity::error : Severity::info, *id,
        fmt::format("`{}` has not the form of a claim's id", text),
        fmt::format("write FALSIFY-{}-001: capitals, digits and dashes, a number at the end",
                    contract));
  } else if (document.machine_read && !belongs(text, contract)) {
    findings.add("RF0310", Severity::warning, *id,
                 fmt::format("`{}` does not belong to contract {}", text, contract),
                 fmt::format("begin it with FALSIFY-{}-, or set metadata.id", contract));
  }
}

void check_equation_ids(const Document& document, Findings& findings) {
  check_unique(document, "equations", findings);
}

}  // namespace

void lint_ids(const Document& document, Findings& findings) {
  for (const std::string_view section :
       {"falsification_tests", "proof_obligations", "kani_harnesses"}) {
    check_unique(document, section, findings);
  }
  check_equation_ids(document, findings);
  for (const SpanNode* claim : document.claims()) check_form(document, *claim, findings);
}

}  // namespace refute::pipeline
