#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "harness/model/near_miss.hpp"
#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

// What obligations are said to apply to besides equations.
constexpr auto kPlaces = std::to_array<std::string_view>(
    {"all",      "scalar",    "simd",    "converter", "avx2", "avx512", "sse2", "sse4",
     "neon",     "wasm",      "gpu",     "cuda",      "ptx",  "wgpu",   "cpu",  "kernel",
     "both",     "none",      "encoder", "decoder",   "f16",  "bf16",   "f32",  "f64",
     "training", "inference", "runtime", "parser",    "cli"});

bool is_place(std::string_view word) {
  return std::ranges::any_of(kPlaces, [&](std::string_view p) { return same_word(p, word); });
}

// Every name that something in the file goes by: older contracts bind to invariants and phases as
// well.
void collect_names(const SpanNode& node, std::set<std::string_view>& names) {
  for (const std::string_view key : {"id", "name"}) {
    if (const std::string_view name = trimmed(node.text_of(key)); !name.empty()) names.insert(name);
  }
  for (const SpanMember& member : node.members) {
    if (member.value.is_map()) names.insert(member.key);
    collect_names(member.value, names);
  }
  for (const SpanNode& item : node.items) {
    if (item.is_scalar()) names.insert(trimmed(item.text));
    collect_names(item, names);
  }
}

class References {
 public:
  References(const Document& document, Findings& findings)
      : document_(document), findings_(findings) {
    equations_ = document.equation_names();
    for (const SpanNode* o : document.entries("proof_obligations")) {
      if (const std::string_view id = trimmed(o->text_of("id")); !id.empty())
        obligations_.emplace_back(id);
    }
    for (const SpanNode* c : document.claims()) claims_.emplace_back(trimmed(c->text_of("id")));
  }

  void check() {
    for (const SpanNode* claim : document_.claims()) check_claim(*claim);
    for (const SpanNode* obligation : document_.entries("proof_obligations")) {
      for (const SpanNode* place : text_nodes(obligation->find("applies_to"))) check_place(*place);
      for (const SpanNode* name : text_nodes(obligation->find("equation")))
        check_equation("RF0302", *name);
    }
    for (const SpanNode* harness : document_.entries("kani_harnesses")) check_obligations(*harness);
    if (const SpanNode* gate = document_.root.find("qa_gate")) check_gate(*gate);
  }

 private:
  // Where the file defines such names, another one is a slip; where it defines none there was
  // nothing to name.
  Severity severity(bool any_defined) const {
    return any_defined ? Severity::error : document_.graded();
  }

  bool named_elsewhere(std::string_view name) {
    if (names_.empty()) {
      for (const SpanMember& section : document_.root.members) {
        if (section.key != "falsification_tests") collect_names(section.value, names_);
      }
    }
    return names_.contains(name);
  }

  void check_equation(Code code, const SpanNode& node) {
    std::string_view name = trimmed(node.text);
    if (name.starts_with("equations.")) name.remove_prefix(10);
    if (name.empty() || std::ranges::find(equations_, name) != equations_.end()) return;
    if (!document_.machine_read && named_elsewhere(name)) return;
    findings_.add(code, severity(!equations_.empty()), node,
                  fmt::format("there is no equation `{}` in this file", name),
                  did_you_mean(near_miss(name, equations_, Nearness::surely_meant)));
  }

  void check_place(const SpanNode& node) {
    const std::string_view place = trimmed(node.text);
    if (!is_place(place)) check_equation("RF0302", node);
  }

  void check_obligations(const SpanNode& owner) {
    for (const SpanNode* node : text_nodes(owner.find("obligation"))) {
      const std::string_view id = trimmed(node->text);
      if (id.empty() || std::ranges::find(obligations_, id) != obligations_.end()) continue;
      std::string help = did_you_mean(near_miss(id, obligations_, Nearness::surely_meant));
      if (obligations_.empty()) help = "no obligation in this file has an id; give it one";
      findings_.add("RF0303", severity(!obligations_.empty()), *node,
                    fmt::format("there is no obligation `{}` in this file", id), std::move(help));
    }
  }

  void check_claim(const SpanNode& claim) {
    for (const SpanNode* node : text_nodes(claim.find("binds_to"))) check_equation("RF0301", *node);
    check_obligations(claim);
  }

  void check_gate(const SpanNode& gate) {
    for (const SpanNode* node : text_nodes(gate.find("falsification"))) {
      const std::string_view id = trimmed(node->text);
      if (!is_claim_id(id) || std::ranges::find(claims_, id) != claims_.end()) continue;
      findings_.add("RF0313", document_.graded(), *node,
                    fmt::format("there is no claim `{}` in this file", id),
                    did_you_mean(near_miss(id, claims_, Nearness::surely_meant)));
    }
  }

  const Document& document_;
  Findings& findings_;
  std::vector<std::string> equations_, obligations_, claims_;
  std::set<std::string_view> names_;
};

}  // namespace

void lint_references(const Document& document, Findings& findings) {
  References(document, findings).check();
}

}  // namespace refute::pipeline
