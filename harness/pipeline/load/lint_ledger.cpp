// Levels and blockers that somebody typed: compared with what else is known, never believed.

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "harness/model/near_miss.hpp"
#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

constexpr auto kBlockers =
    std::to_array<std::string_view>({"BLOCKER-UPSTREAM-MISSING", "BLOCKER-FIXTURE-ABSENT",
                                     "BLOCKER-SPEC-OPEN", "BLOCKER-DEVICE-ABSENT"});

// Words for what a run came to. Claims with parameters are run, so theirs is known otherwise.
constexpr auto kOutcomes = std::to_array<std::string_view>(
    {"PASSING", "PASS", "PASSED", "FAILING", "FAIL", "FAILED", "VERIFIED", "VALIDATED", "TESTED",
     "PROVED", "PROVEN", "GREEN", "RED", "SURVIVED"});
// A contract's text may be done; a claim never is.
constexpr auto kFinished =
    std::to_array<std::string_view>({"DONE", "COMPLETE", "COMPLETED", "RESOLVED", "CLOSED"});

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::ranges::any_of(words,
                             [&](std::string_view w) { return same_word(w, trimmed(word)); });
}

std::optional<Level> typed_level(std::string_view word) {
  word = trimmed(word);
  if (same_word(word, "FULL_ROUND_TRIP")) return Level::functional;
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (same_word(word, kLevelNames[i])) return static_cast<Level>(i);
  }
  return std::nullopt;
}

const SpanNode* typed_status(const SpanNode& claim) {
  for (const std::string_view key : {"discharge_status", "status"}) {
    const SpanNode* node = claim.find(key);
    if (node != nullptr && node->is_scalar()) return node;
  }
  return nullptr;
}

bool says_something(const SpanNode* node) {
  if (node == nullptr) return false;
  const auto texts = text_nodes(node);
  return node->is_map() ||
         std::ranges::any_of(texts, [](const SpanNode* t) { return !trimmed(t->text).empty(); });
}

const SpanNode* blocker_of(const SpanNode& entry) {
  if (const SpanNode* own = find_field(claim_shape(), entry, "blocked_on"); says_something(own))
    return own;
  const SpanNode* evidence = entry.find("evidence_discharged_by");
  const SpanNode* nested =
      evidence == nullptr ? nullptr : evidence->find("full_discharge_blocked_on");
  return says_something(nested) ? nested : nullptr;
}

class Ledger {
 public:
  Ledger(const Document& document, const ComputedLevels* levels, Findings& findings)
      : document_(document), levels_(levels), findings_(findings) {
    const SpanNode* summary = document.root.find("verification_summary");
    ledger_ = summary == nullptr ? nullptr : summary->find("discharge_ledger");
  }

  void check() {
    for (const SpanNode* claim : document_.claims()) check_claim(*claim);
    if (ledger_ != nullptr) check_ledger();
    check_contract_status();
    check_merge_gates();
  }

 private:
  static std::string_view entry_id(const SpanNode& entry) {
    const std::string_view id = trimmed(entry.text_of("falsify_id"));
    return id.empty() ? trimmed(entry.text_of("id")) : id;
  }

  const SpanNode* ledger_entry(std::string_view id) const {
    if (ledger_ == nullptr) return nullptr;
    const auto it =
        std::ranges::find_if(ledger_->items, [&](const SpanNode& e) { return entry_id(e) == id; });
    return it == ledger_->items.end() ? nullptr : &*it;
  }

  void check_claim(const SpanNode& claim) {
    check_blockers(claim);
    const SpanNode* status = typed_status(claim);
    if (status == nullptr) return;
    const std::string_view id = trimmed(claim.text_of("id"));
    const SpanNode* entry = ledger_entry(id);
    const bool blocked =
        blocker_of(claim) != nullptr || (entry != nullptr && blocker_of(*entry) != nullptr);
    check_companions(*status, blocked);
    check_level(claim, *status, id);
  }

  void check_companions(const SpanNode& status, bool blocked) {
    if (blocked) return;
    const std::string_view word = trimmed(status.text);
    if (typed_level(word) == Level::partial_algorithm_level || same_word(word, "PARTIAL")) {
      findings_.add("RF0403", document_.graded(), status,
                    fmt::format("`{}` does not say what blocks the rest", word),
                    "add blocked_on: BLOCKER-…: <what is missing>");
    } else if (is_bare_blocker(word)) {
      report_bare(status, word);
    }
  }

  static bool is_bare_blocker(std::string_view word) {
    return word.starts_with("BLOCKER-") && word.find_first_of(": (") == std::string_view::npos;
  }

  void report_bare(const SpanNode& node, std::string_view word) {
    findings_.add("RF0404", document_.graded(), node,
                  fmt::format("`{}` does not say what is missing", word),
                  fmt::format("write `{}: <the fixture, device, command or decision>`", word));
  }

  // Older contracts say beside the word what it stands for.
  static bool names_object(const SpanNode& entry) {
    const SpanNode* evidence = entry.find("evidence_discharged_by");
    for (const SpanNode* owner : {&entry, evidence}) {
      if (owner == nullptr) continue;
      for (const std::string_view key : {"scope", "sub_claim", "notes"}) {
        if (says_something(owner->find(key))) return true;
      }
    }
    return false;
  }

  void check_blockers(const SpanNode& entry) {
    for (const SpanNode* node : text_nodes(blocker_of(entry))) {
      const std::string_view text = trimmed(node->text);
      if (!text.starts_with("BLOCKER")) continue;
      const std::string_view word = text.substr(0, text.find_first_of(": ("));
      if (std::ranges::find(kBlockers, word) == kBlockers.end()) {
        findings_.add("RF0206", Severity::error, *node,
                      fmt::format("`{}` is no blocker that is known", word),
                      did_you_mean(near_miss(word, kBlockers, Nearness::surely_meant)));
      } else if (is_bare_blocker(text) && !names_object(entry)) {
        report_bare(*node, word);
      }
    }
  }

  // The state of the text is somebody's to say; that of its claims is computed.
  void check_contract_status() {
    if (!document_.machine_read) return;
    const SpanNode* metadata = document_.root.find("metadata");
    const SpanNode* status = metadata == nullptr ? nullptr : metadata->find("status");
    if (status == nullptr || !status->is_scalar()) return;
    const auto level = typed_level(status->text);
    if (level && *level > Level::open) {
      report_unchecked(*status, to_string(*level), "draft, active or another word for the text");
    } else if (is_one_of(status->text, kOutcomes)) {
      report_outcome(*status, "draft, active or another word for the text");
    }
  }

  void report_unchecked(const SpanNode& status, std::string_view level, std::string_view instead) {
    findings_.add("RF0406", Severity::warning, status,
                  fmt::format("`{}` is typed by hand and was not checked against evidence", level),
                  fmt::format("`refute status` computes it; {}", instead));
  }

  void report_outcome(const SpanNode& status, std::string_view instead) {
    findings_.add(
        "RF0416", Severity::warning, status,
        fmt::format("`{}` is typed by hand: nothing was run for it", trimmed(status.text)),
        fmt::format("`refute run` finds out; {}", instead));
  }

  void check_level(const SpanNode& claim, const SpanNode& status, std::string_view id) {
    const bool run = claim.find("parameters") != nullptr;
    if (run && (is_one_of(status.text, kOutcomes) || is_one_of(status.text, kFinished)))
      return report_outcome(status, "remove the line");
    const auto typed = typed_level(status.text);
    if (!typed || *typed <= Level::open) return;
    // Without parameters a refutation was somebody else's, and claims too little to be doubted.
    if (*typed == Level::refuted && !run) return;
    if (levels_ != nullptr) return check_against_evidence(status, id, *typed);
    if (run) {
      report_unchecked(status, to_string(*typed), "remove the line, or run with evidence at hand");
    } else if (*typed >= Level::functional && !names_evidence(claim)) {
      findings_.add("RF0407", document_.graded(), status,
                    fmt::format("`{}` without functional evidence", to_string(*typed)),
                    "name the evidence under functional_evidence or evidence_discharged_by");
    }
  }

  static bool names_evidence(const SpanNode& claim) {
    return says_something(claim.find("functional_evidence")) ||
           says_something(claim.find("evidence_discharged_by")) ||
           says_something(claim.find("evidence"));
  }

  void check_against_evidence(const SpanNode& status, std::string_view id, Level typed) {
    const auto it = levels_->find(ClaimId{std::string(id)});
    const Level computed = it == levels_->end() ? Level::unbound : it->second;
    if (computed == typed) return;
    // A refuted claim stands above every level and supports none.
    const bool either_refuted = computed == Level::refuted || typed == Level::refuted;
    if (!either_refuted && computed >= typed) return;
    findings_.add(
        "RF0405", Severity::error, status,
        fmt::format("typed {}, the evidence gives {}", to_string(typed), to_string(computed)),
        fmt::format("write {}, or remove the line: the ledger is computed", to_string(computed)));
  }

  void check_ledger() {
    std::vector<std::string> ids;
    for (const SpanNode* claim : document_.claims())
      ids.emplace_back(trimmed(claim->text_of("id")));
    for (const SpanNode& entry : ledger_->items) check_entry(entry, ids);
    for (const SpanNode* claim : document_.claims()) {
      const std::string_view id = trimmed(claim->text_of("id"));
      if (id.empty() || ledger_entry(id) != nullptr) continue;
      findings_.add("RF0414", Severity::warning, *ledger_,
                    fmt::format("the ledger leaves out `{}`", id),
                    "add it, or leave the ledger to `refute status`");
    }
  }

  void check_entry(const SpanNode& entry, const std::vector<std::string>& ids) {
    const std::string_view id = entry_id(entry);
    if (id.empty()) return;
    check_blockers(entry);
    const auto it = std::ranges::find(ids, id);
    if (it == ids.end()) {
      const SpanNode* node = entry.find("falsify_id") ? entry.find("falsify_id") : entry.find("id");
      findings_.add("RF0402", Severity::error, *node,
                    fmt::format("the ledger names `{}`, which no claim has", id),
                    did_you_mean(near_miss(id, ids, Nearness::surely_meant)));
      return;
    }
    const SpanNode& claim = *document_.claims()[static_cast<std::size_t>(it - ids.begin())];
    const SpanNode* typed = typed_status(entry);
    if (typed == nullptr) return;
    check_companions(*typed, blocker_of(entry) != nullptr || blocker_of(claim) != nullptr);
    check_level(claim, *typed, id);
    check_agreement(*typed, typed_status(claim));
  }

  void check_agreement(const SpanNode& ledger, const SpanNode* claim) {
    if (claim == nullptr) return;
    const auto there = typed_level(ledger.text), here = typed_level(claim->text);
    if (!there || !here || *there == *here) return;
    findings_.add(
        "RF0409", document_.graded(), ledger,
        fmt::format("the ledger says {}, the claim says {}", to_string(*there), to_string(*here)),
        fmt::format("the claim's status is at line {}", claim->span.line));
  }

  // The gates are booleans that nothing recomputes; the last one at least can be compared.
  void check_merge_gates() {
    const SpanNode* ship = document_.root.find("ship_discipline");
    const SpanNode* gates = ship == nullptr ? nullptr : ship->find("merge_gates");
    const SpanMember* discharged =
        gates == nullptr ? nullptr : gates->member("g4_contract_discharged");
    if (discharged == nullptr || !discharged->value.is_scalar() ||
        !same_word(discharged->value.text, "true"))
      return;
    for (const SpanNode* claim : document_.claims()) {
      const SpanNode* status = typed_status(*claim);
      if (status != nullptr && typed_level(status->text) == Level::discharged) continue;
      findings_.add(
          "RF0413", document_.graded(), discharged->value,
          fmt::format("the gate says discharged, `{}` does not", trimmed(claim->text_of("id"))),
          "leave the gate to `refute status`");
      return;
    }
  }

  const Document& document_;
  const ComputedLevels* levels_;
  Findings& findings_;
  const SpanNode* ledger_ = nullptr;
};

}  // namespace

void lint_ledger(const Document& document, const ComputedLevels* levels, Findings& findings) {
  Ledger(document, levels, findings).check();
}

}  // namespace refute::pipeline
