#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "harness/model/near_miss.hpp"
#include "harness/pipeline/load/lint.hpp"
#include "harness/pipeline/load/scalar.hpp"
#include "harness/pipeline/load/text_rules.hpp"

namespace refute::pipeline {
namespace {

std::vector<std::string> texts(const SpanNode* node) {
  std::vector<std::string> out;
  for (const SpanNode* t : text_nodes(node)) out.emplace_back(trimmed(t->text));
  return out;
}

bool says_true(const SpanNode* node) {
  if (node == nullptr || !node->is_scalar()) return false;
  const Scalar scalar = read_scalar(*node);
  const bool* b = std::get_if<bool>(&scalar);
  return b != nullptr && *b;
}

bool has(const SpanNode& requirement, std::string_view key) {
  return requirement.find(key) != nullptr;
}

std::int64_t machines(const SpanNode& requirement) {
  const SpanNode* node = requirement.find("machines");
  if (node == nullptr) return 0;
  const Scalar scalar = read_scalar(*node);
  const auto* n = std::get_if<std::int64_t>(&scalar);
  return n == nullptr ? 0 : *n;
}

// A level needs the one below it: without that it cannot be reached whatever the evidence.
void check_chain(const SpanNode& requires_node, Findings& findings) {
  constexpr auto kChain =
      std::to_array<std::string_view>({"PARTIAL_ALGORITHM_LEVEL", "FUNCTIONAL", "DISCHARGED"});
  for (std::size_t i = 1; i < kChain.size(); ++i) {
    const SpanMember* upper = requires_node.member(kChain[i]);
    if (upper == nullptr || requires_node.find(kChain[i - 1]) != nullptr) continue;
    findings.add(
        "RF0410", Severity::error, *upper,
        fmt::format("{} can never be reached: {} is not required", kChain[i], kChain[i - 1]),
        fmt::format("say what {} takes", kChain[i - 1]));
  }
}

void check_asks(const SpanMember& level, Findings& findings) {
  const SpanNode& r = level.value;
  if (level.key == "FUNCTIONAL" && !says_true(r.find("live")) && !has(r, "fixture") &&
      !has(r, "device") && !has(r, "command")) {
    findings.add("RF0411", Severity::error, level,
                 "FUNCTIONAL asks for nothing that generated inputs would not give",
                 "ask for live: true, a fixture, a device or a command");
  }
  if (level.key == "DISCHARGED" && !has(r, "agreement") && machines(r) < 2) {
    findings.add("RF0411", Severity::error, level,
                 "DISCHARGED asks for no agreement and no second machine",
                 "ask for agreement: bytewise, agreement: exhaustive or machines: 2");
  }
}

void check_consistent(const SpanMember& level, Findings& findings) {
  const SpanNode& r = level.value;
  if (has(r, "min_sm") && !has(r, "device")) {
    findings.add("RF0412", Severity::error, *r.member("min_sm"), "min_sm without a device",
                 "add device: cuda");
  }
  const SpanNode* live = r.find("live");
  if (live != nullptr && !says_true(live)) {
    findings.add("RF0412", Severity::error, *live, "live: false asks for nothing", "remove it");
  }
}

void check_subjects(const SpanMember& level, const std::vector<std::string>& known,
                    Findings& findings) {
  for (const SpanNode* subject : text_nodes(level.value.find("subjects"))) {
    const std::string_view name = trimmed(subject->text);
    if (known.empty() || std::ranges::find(known, name) != known.end()) continue;
    findings.add("RF0311", Severity::error, *subject,
                 fmt::format("`{}` is no subject of this claim", name),
                 did_you_mean(near_miss(name, known, Nearness::surely_meant)));
  }
}

}  // namespace

void lint_requires(const Document& document, Findings& findings) {
  for (const SpanNode* claim : document.claims()) {
    const SpanNode* levels = claim->find("requires");
    if (levels == nullptr || !levels->is_map()) continue;
    check_chain(*levels, findings);
    const auto subjects = texts(claim->find("subjects"));
    for (const SpanMember& level : levels->members) {
      if (!level.value.is_map() && !level.value.is_null()) continue;
      check_asks(level, findings);
      check_consistent(level, findings);
      check_subjects(level, subjects, findings);
    }
  }
}

}  // namespace refute::pipeline
