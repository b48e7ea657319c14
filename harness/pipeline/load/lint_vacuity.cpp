// Claims that could not fail, and contracts that claim nothing.

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

constexpr auto kSaysNothing =
    std::to_array<std::string_view>({"none",          "n/a",         "unknown",
                                     "passes",        "pass",        "works",
                                     "it works",      "ok",          "okay",
                                     "true",          "success",     "succeeds",
                                     "holds",         "test passes", "tests pass",
                                     "no error",      "no errors",   "must hold",
                                     "as expected",   "correct",     "is correct",
                                     "it is correct", "yes",         "always",
                                     "should pass",   "should work", "the test passes",
                                     "it is true",    "always true"});

/// No bound but infinity: met by everything, or by every number.
bool bounded_by_nothing(std::string_view said) {
  constexpr auto kAtMost = std::to_array<std::string_view>(
      {"<=", "≤", "at most", "no more than", "not above", "not more than"});
  constexpr auto kBelow = std::to_array<std::string_view>({"<", "less than", "below", "under"});
  constexpr auto kEndless =
      std::to_array<std::string_view>({"infinity", "+infinity", "inf", "+inf", "∞", "+∞", ".inf"});
  for (const std::string_view endless : kEndless) {
    if (!said.ends_with(endless)) continue;
    const std::string_view before = trimmed(said.substr(0, said.size() - endless.size()));
    const auto ends = [&](std::string_view word) { return before.ends_with(word); };
    if (std::ranges::any_of(kAtMost, ends)) return true;
    // `x < infinity` says that x is finite; without an x it says nothing.
    if (std::ranges::find(kBelow, before) != kBelow.end()) return true;
  }
  return false;
}

std::string plain_sentence(std::string_view text) {
  std::string out = folded(text);
  while (!out.empty() && (out.back() == '.' || out.back() == '!')) out.pop_back();
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool has_content(const SpanNode& node) {
  return (node.is_scalar() && !trimmed(node.text).empty()) || !node.items.empty() ||
         !node.members.empty();
}

bool is_empty_list(const SpanNode* node) {
  return node == nullptr || node->is_null() ||
         ((node->is_list() || node->is_map()) && node->items.empty() && node->members.empty());
}

// A claim that says what keeps it from being run yet; it stays OPEN and needs no check.
bool is_blocked(const SpanNode& claim) {
  const auto says_blocked = [](const SpanNode* node) {
    const auto texts = text_nodes(node);
    return std::ranges::any_of(
        texts, [](const SpanNode* t) { return trimmed(t->text).starts_with("BLOCKER-"); });
  };
  return says_blocked(claim.find("blocked_on")) || says_blocked(claim.find("status")) ||
         says_blocked(claim.find("discharge_status"));
}

// A proof that is only planned covers nothing yet.
bool is_proved(const SpanNode& obligation) {
  const SpanNode* lean = obligation.find("lean");
  const std::string_view status =
      lean == nullptr ? std::string_view() : trimmed(lean->text_of("status"));
  return same_word(status, "proved") || same_word(status, "proven") ||
         same_word(status, "verified");
}

class Vacuity {
 public:
  Vacuity(const Document& document, Findings& findings)
      : document_(document), findings_(findings) {}

  void check() {
    if (check_contract()) return;
    for (const SpanNode* claim : document_.claims()) {
      check_statement(*claim);
      check_expectation(*claim);
      if (document_.machine_read) check_power(*claim);
      for (const std::string_view key : {"subjects", "mutants"}) check_repeats(claim->find(key));
    }
    check_obligations();
    if (document_.machine_read) check_equations();
    remark_on_parameters();
  }

 private:
  // True when there is nothing more to judge.
  bool check_contract() {
    const auto beside_metadata = [](const SpanMember& m) {
      return m.key != "metadata" && has_content(m.value);
    };
    const SpanMember* metadata = document_.root.member("metadata");
    if (metadata == nullptr) return false;
    if (std::ranges::none_of(document_.root.members, beside_metadata)) {
      findings_.add("RF0602", Severity::error, *metadata,
                    "this contract holds nothing but metadata",
                    "`registry: true` excuses a file from claims, not from content");
      return true;
    }
    check_claims_exist(*metadata);
    return false;
  }

  void check_claims_exist(const SpanMember& metadata) {
    const SpanMember* tests = document_.root.member("falsification_tests");
    const SpanMember* legacy = document_.root.member("falsification");
    if (!document_.claims().empty() || (legacy != nullptr && has_content(legacy->value))) return;
    if (tests != nullptr && is_empty_list(&tests->value)) {
      findings_.add("RF0601", Severity::error, *tests, "the list of claims is empty",
                    "add a claim, or remove the section");
      return;
    }
    const std::string_view kind = document_.metadata_text("kind");
    const bool excused =
        document_.metadata_text("registry") == "true" || (!kind.empty() && kind != "kernel");
    findings_.add("RF0601", excused ? Severity::info : Severity::warning, metadata,
                  "this contract makes no claim that could be refuted", "add falsification_tests");
  }

  void check_statement(const SpanNode& claim) {
    const SpanNode* prediction = find_field(claim_shape(), claim, "prediction");
    if (prediction == nullptr || !prediction->is_scalar()) return;
    const std::string said = plain_sentence(prediction->text);
    if (said.empty()) return;
    const std::string rule = plain_sentence(field_text(claim_shape(), claim, "rule"));
    if (std::ranges::find(kSaysNothing, said) != kSaysNothing.end() || bounded_by_nothing(said)) {
      findings_.add(
          "RF0605", document_.graded(), *prediction,
          fmt::format("`{}` asserts nothing that could be false", folded(prediction->text)),
          "say what is measured, and what it must be");
    } else if (said == rule && document_.machine_read) {
      findings_.add("RF0605", Severity::warning, *prediction, "the prediction repeats the rule",
                    "say what will be measured");
    }
  }

  void check_expectation(const SpanNode& claim) {
    const bool refuted = trimmed(claim.text_of("expect")) == "refuted";
    const SpanMember* control = claim.member("control");
    const SpanMember* mutants = claim.member("mutants");
    if (refuted && control == nullptr) {
      findings_.add("RF0607", Severity::error, *claim.member("expect"),
                    "expect: refuted names no control",
                    "name a subject on which the same check survives, or nobody knows that it can");
    }
    if (refuted && mutants != nullptr && !is_empty_list(&mutants->value)) {
      findings_.add("RF0608", Severity::error, *mutants,
                    "a claim that is expected to be refuted needs no mutants",
                    "its power is shown by the control");
    }
    if (!refuted && control != nullptr && !control->value.is_null()) {
      findings_.add("RF0606", Severity::error, *control, "a control goes with expect: refuted only",
                    "remove it, or set expect: refuted");
    }
    if (control == nullptr) return;
    for (const SpanNode* subject : text_nodes(claim.find("subjects"))) {
      if (trimmed(subject->text) != trimmed(control->value.text)) continue;
      findings_.add("RF0613", Severity::error, control->value, "the control is the subject itself",
                    "name another implementation");
    }
  }

  void check_power(const SpanNode& claim) {
    if (is_blocked(claim)) return;
    const SpanNode* id = claim.find("id");
    const SpanNode& place = id == nullptr ? claim : *id;
    if (is_empty_list(claim.find("parameters"))) {
      findings_.add("RF0603", Severity::error, place, "this claim has no parameters",
                    "add at least the number of cases; or say with blocked_on: BLOCKER-… why it "
                    "cannot be run");
    }
    const bool refuted = trimmed(claim.text_of("expect")) == "refuted";
    if (!refuted && is_empty_list(claim.find("mutants"))) {
      findings_.add("RF0604", Severity::error, place,
                    "this claim has no mutants: nothing shows that its check could fail",
                    "name at least one wrong implementation that it must refute");
    }
    if (is_empty_list(claim.find("subjects"))) {
      findings_.add("RF0610", Severity::error, place, "this claim names no subject",
                    "add subjects: [cpu_scalar, …]");
    }
    if (is_empty_list(claim.find("requires"))) {
      findings_.add("RF0614", Severity::warning, place,
                    "this claim requires nothing, so it can reach no level above OPEN",
                    "add requires: {PARTIAL_ALGORITHM_LEVEL: {}, FUNCTIONAL: {live: true}}");
    }
  }

  void check_repeats(const SpanNode* list) {
    std::set<std::string_view> seen;
    for (const SpanNode* item : text_nodes(list)) {
      if (seen.insert(trimmed(item->text)).second) continue;
      findings_.add("RF0609", Severity::error, *item,
                    fmt::format("`{}` stands in this list twice", trimmed(item->text)));
    }
  }

  // Coverage by reference, not by counts: as many harnesses as obligations may all check the same
  // one.
  void check_obligations() {
    std::set<std::string_view> covered;
    for (const std::string_view section : {"falsification_tests", "kani_harnesses"}) {
      for (const SpanNode* entry : document_.entries(section)) {
        for (const SpanNode* id : text_nodes(entry->find("obligation")))
          covered.insert(trimmed(id->text));
      }
    }
    if (covered.empty()) return;
    for (const SpanNode* obligation : document_.entries("proof_obligations")) {
      const SpanNode* id = obligation->find("id");
      const bool excused = is_proved(*obligation) || obligation->find("na_reason") != nullptr;
      if (id == nullptr || excused || covered.contains(trimmed(id->text))) continue;
      findings_.add(
          "RF0611", document_.remark(), *id,
          fmt::format("no claim, harness or proof names obligation `{}`", trimmed(id->text)),
          "name it under `obligation`, or say with na_reason why nothing can");
    }
  }

  void check_equations() {
    std::set<std::string_view> bound;
    for (const SpanNode* claim : document_.claims()) {
      for (const SpanNode* name : text_nodes(claim->find("binds_to")))
        bound.insert(trimmed(name->text));
    }
    const SpanNode* equations = document_.root.find("equations");
    if (equations == nullptr) return;
    for (const SpanMember& equation : equations->members) {
      if (bound.contains(equation.key) || equation.key.starts_with("x-")) continue;
      findings_.add("RF0612", Severity::warning, equation,
                    fmt::format("no claim binds to equation `{}`", equation.key),
                    "add binds_to to the claim that tests it");
    }
  }

  void remark_on_parameters() {
    const SpanMember* tests = document_.root.member("falsification_tests");
    if (document_.machine_read || document_.claims().empty() || tests == nullptr) return;
    findings_.add("RF0603", Severity::info, *tests,
                  "no claim here carries parameters, so none can be bound to a falsifier",
                  "see `refute explain RF0603`");
  }

  const Document& document_;
  Findings& findings_;
};

}  // namespace

void lint_vacuity(const Document& document, Findings& findings) {
  Vacuity(document, findings).check();
}

}  // namespace refute::pipeline
