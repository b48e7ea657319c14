// Counts that somebody typed, beside the lists that they count.

#include <algorithm>

#include <fmt/format.h>

#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

struct Counts {
  std::int64_t obligations = 0, claims = 0, harnesses = 0, proved = 0, sorry = 0,
               not_applicable = 0;
};

bool lean_says(const SpanNode& obligation, std::initializer_list<std::string_view> words) {
  const SpanNode* lean = obligation.find("lean");
  const std::string_view status =
      lean == nullptr ? std::string_view() : trimmed(lean->text_of("status"));
  return std::ranges::any_of(words, [&](std::string_view w) { return same_word(w, status); });
}

Counts count(const Document& document) {
  Counts c;
  const auto obligations = document.entries("proof_obligations");
  c.obligations = static_cast<std::int64_t>(obligations.size());
  c.claims = static_cast<std::int64_t>(document.claims().size());
  c.harnesses = static_cast<std::int64_t>(document.entries("kani_harnesses").size());
  for (const SpanNode* o : obligations) {
    c.proved += lean_says(*o, {"proved", "proven", "verified"});
    c.sorry += lean_says(*o, {"sorry"});
    c.not_applicable += lean_says(*o, {"not_applicable", "n/a"}) || o->find("na_reason") != nullptr;
  }
  return c;
}

class Summary {
 public:
  Summary(const Document& document, const SpanNode& summary, Findings& findings)
      : document_(document), summary_(summary), findings_(findings) {}

  void check() {
    const Counts c = count(document_);
    equals({"total_obligations"}, c.obligations, "obligations listed");
    equals({"total_claims", "total_falsification_tests"}, c.claims, "claims listed");
    equals({"l4_lean_proved"}, c.proved, "obligations with a proved theorem");
    equals({"l4_sorry_count"}, c.sorry, "obligations whose proof is `sorry`");
    at_most({"proven", "proved"}, c.proved + c.harnesses, "proved theorems and harnesses");
    at_most({"l3_kani_proved"}, std::max(c.harnesses, std::int64_t{0}), "harnesses listed");
    at_most({"l4_not_applicable"}, c.obligations, "obligations listed");
    at_most({"tested", "l2_property_tested"}, std::max(c.claims, c.obligations),
            "claims or obligations listed");
  }

 private:
  using Keys = std::initializer_list<std::string_view>;

  // Claiming more than there is makes the summary false; claiming less is only out of date.
  void equals(Keys keys, std::int64_t counted, std::string_view what) {
    at_most(keys, counted, what);
    each(keys, [&](const SpanNode& node, std::int64_t typed) {
      if (typed < counted) report(node, typed, counted, what, Severity::warning);
    });
  }

  void at_most(Keys keys, std::int64_t counted, std::string_view what) {
    each(keys, [&](const SpanNode& node, std::int64_t typed) {
      if (typed > counted) report(node, typed, counted, what, Severity::error);
    });
  }

  template <class Judge>
  void each(Keys keys, Judge judge) {
    for (const std::string_view key : keys) {
      const SpanNode* node = summary_.find(key);
      if (node == nullptr || !node->is_scalar()) continue;
      const Scalar scalar = read_scalar(*node);
      if (const auto* typed = std::get_if<std::int64_t>(&scalar)) judge(*node, *typed);
    }
  }

  void report(const SpanNode& node, std::int64_t typed, std::int64_t counted, std::string_view what,
              Severity severity) {
    findings_.add("RF0401", severity, node,
                  fmt::format("{} is typed, there are {} {}", typed, counted, what),
                  fmt::format("write {}, or leave the count out", counted));
  }

  const Document& document_;
  const SpanNode& summary_;
  Findings& findings_;
};

// A theorem without its module can still be searched for; without its name there is nothing to look
// for.
void check_proof(const Document& document, const SpanNode& obligation, Findings& findings) {
  if (!lean_says(obligation, {"proved", "proven", "verified"})) return;
  const SpanNode& lean = *obligation.find("lean");
  for (const std::string_view key : {"theorem", "module"}) {
    if (!text_nodes(lean.find(key)).empty()) continue;
    findings.add("RF0408", key == "theorem" ? Severity::error : document.graded(),
                 *lean.find("status"), fmt::format("called proved, but no {} is named", key),
                 "name theorem and module, or set another status");
  }
}

}  // namespace

void lint_summary(const Document& document, Findings& findings) {
  for (const SpanNode* obligation : document.entries("proof_obligations"))
    check_proof(document, *obligation, findings);
  const SpanNode* summary = document.root.find("verification_summary");
  if (summary != nullptr && summary->is_map()) Summary(document, *summary, findings).check();
}

}  // namespace refute::pipeline
