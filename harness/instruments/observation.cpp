#include "harness/instruments/observation.hpp"

#include <algorithm>
#include <initializer_list>

#include <fmt/format.h>

#include "harness/instruments/observation_fields.hpp"

namespace refute::instruments {
namespace {

using Classify = ObservationFinding (*)(const Value&, const ObservationLimits&);

struct KindRow {
  ObservationKind kind;
  Classify classify;
  std::array<std::string_view, 4> keys;  ///< any of them makes a body look like it; "" is none
};
constexpr std::array<KindRow, kObservationKindNames.size()> kKinds = {{
    {ObservationKind::parity, classify_parity, {"max_abs_diff", "cosine_sim", "", ""}},
    {ObservationKind::provenance,
     classify_provenance,
     {"attn_impl", "kernel_source", "fallback", ""}},
    {ObservationKind::head_dim_error, classify_head_dim_error, {"error", "", "", ""}},
    {ObservationKind::frobenius,
     classify_frobenius,
     {"relative_frobenius_error", "rel_err", "original", "reconstructed"}},
    {ObservationKind::capability, classify_capability, {"sm", "", "", ""}},
}};

const KindRow& kind_row(ObservationKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

/// An error beside a compute capability is the gate's refusal, not that of a head_dim.
bool looks_like(const Value& body, const KindRow& row) {
  if (row.kind == ObservationKind::head_dim_error && body.find("sm") != nullptr) return false;
  return std::ranges::any_of(row.keys,
                             [&](auto key) { return !key.empty() && body.find(key) != nullptr; });
}

ObservationFinding classify_section(const KindRow& row, const Value& section,
                                    const ObservationLimits& limits) {
  const Value::Map* map = section.as_map();
  ObservationFinding f =
      map != nullptr && map->empty()
          ? ObservationFinding{row.kind, "", ObservationOutcome::empty_section, "{}"}
          : row.classify(section, limits);
  f.at = fmt::format("/{}", to_string(row.kind));
  return f;
}

}  // namespace

std::vector<ObservationKind> recognise(const Value& body) {
  std::vector<ObservationKind> kinds;
  for (const KindRow& row : kKinds) {
    if (looks_like(body, row) || body.find(to_string(row.kind)) != nullptr) {
      kinds.push_back(row.kind);
    }
  }
  return kinds;
}

Result<std::vector<ObservationFinding>> lint_observation(const Value& body,
                                                         std::span<const ObservationKind> wanted,
                                                         const ObservationLimits& limits) {
  const std::vector<ObservationKind> recognised = recognise(body);
  if (wanted.empty() && recognised.empty()) {
    return Error{"this looks like no observation that is known: " + keys_of(body),
                 "--kind says what it is meant to be"};
  }
  std::vector<ObservationFinding> findings;
  for (const ObservationKind kind :
       wanted.empty() ? recognised : std::vector(wanted.begin(), wanted.end())) {
    const KindRow& row = kind_row(kind);
    const Value* section = body.find(to_string(kind));
    if (section != nullptr) findings.push_back(classify_section(row, *section, limits));
    // What stands beside a section counts as well, or a bad body could hide behind a good one.
    if (section == nullptr || looks_like(body, row)) {
      findings.push_back(row.classify(body, limits));
    }
  }
  return findings;
}

std::vector<ExitCode> exit_codes(std::span<const ObservationFinding> findings) {
  const auto any = [&](Standing standing) {
    return std::ranges::any_of(findings, [&](const auto& f) { return f.standing() == standing; });
  };
  std::vector<ExitCode> codes;
  if (any(Standing::violated)) codes.push_back(ExitCode::findings);
  if (any(Standing::declined) || findings.empty()) codes.push_back(ExitCode::incomplete);
  if (codes.empty()) codes.push_back(ExitCode::ok);
  return codes;
}

std::string render_observation(std::string_view name,
                               std::span<const ObservationFinding> findings) {
  std::string text = fmt::format("{}\n", name);
  for (const ObservationFinding& f : findings) {
    const OutcomeRow& row = row_of(f.outcome);
    text += fmt::format("  {:<9} {:<15} {}: {}\n", to_string(f.standing()), to_string(f.kind),
                        row.name, row.meaning);
    text += fmt::format("  {:<25} {}: {}\n", "", f.at.empty() ? "body" : f.at, f.detail);
  }
  return text;
}

Value observation_value(std::string_view name, std::span<const ObservationFinding> findings,
                        const ObservationLimits& limits) {
  Value held_to;
  held_to.set("max_abs_diff", limits.max_abs_diff);
  held_to.set("min_cosine", limits.min_cosine);
  held_to.set("min_relative_error", limits.min_relative_error);
  held_to.set("max_relative_error", limits.max_relative_error);
  if (!limits.publisher.empty()) held_to.set("publisher", limits.publisher);
  Value list{Value::List{}};
  for (const ObservationFinding& f : findings) {
    Value v;
    v.set("kind", to_string(f.kind));
    v.set("at", f.at);
    v.set("standing", to_string(f.standing()));
    v.set("outcome", row_of(f.outcome).name);
    v.set("meaning", row_of(f.outcome).meaning);
    v.set("detail", f.detail);
    list.push(v);
  }
  Value codes{Value::List{}};
  for (const ExitCode code : exit_codes(findings)) codes.push(static_cast<int>(code));
  Value v;
  v.set("schema", "refute-lint-observation-1");
  v.set("file", name);
  v.set("limits", held_to);
  v.set("findings", list);
  v.set("exit_codes", codes);
  return v;
}

}  // namespace refute::instruments
