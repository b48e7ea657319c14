#include "harness/pipeline/load/contract.hpp"

#include <algorithm>
#include <array>

#include "harness/pipeline/load/scalar.hpp"

namespace refute::pipeline {
namespace {

constexpr std::array<std::string_view, 3> kOriginNames = {"derived", "calibrated", "chosen"};
constexpr std::array<std::string_view, 2> kExpectNames = {"survived", "refuted"};

std::string joined_text(const SpanNode* node) {
  std::string out;
  for (const SpanNode* part : text_nodes(node)) {
    if (!out.empty()) out += '\n';
    out += trimmed(part->text);
  }
  return out;
}

std::string sentence(const SpanNode& claim, std::string_view key) {
  return folded(joined_text(find_field(claim_shape(), claim, key)));
}

template <class NameType>
std::vector<NameType> names(const SpanNode* node) {
  std::vector<NameType> out;
  for (const SpanNode* part : text_nodes(node)) {
    if (!trimmed(part->text).empty()) out.push_back(NameType{std::string(trimmed(part->text))});
  }
  return out;
}

std::optional<double> number(const SpanNode& owner, std::string_view key) {
  const SpanNode* node = owner.find(key);
  if (node == nullptr || !node->is_scalar()) return std::nullopt;
  const Scalar scalar = read_scalar(*node);
  double storage = 0;
  const double* found = as_number(scalar, storage);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

void set_value(Parameter& parameter, const SpanNode& node) {
  parameter.value = to_value(node);
  parameter.span = node.span;
  for (const SpanNode& item : node.items) parameter.items.push_back(item.span);
}

Parameter build_parameter(const SpanMember& member) {
  Parameter p;
  p.name = member.key;
  p.span = member.key_span;
  if (!member.value.is_map()) {
    set_value(p, member.value);
    return p;
  }
  if (const SpanNode* value = member.value.find("value")) set_value(p, *value);
  const auto it = std::ranges::find(kOriginNames, trimmed(member.value.text_of("origin")));
  if (it != kOriginNames.end()) p.origin = static_cast<Origin>(it - kOriginNames.begin());
  p.because = folded(member.value.text_of("because"));
  return p;
}

std::vector<Parameter> build_parameters(const SpanNode* node) {
  std::vector<Parameter> out;
  if (node == nullptr) return out;
  for (const SpanMember& member : node->members) {
    if (!member.key.starts_with("x-")) out.push_back(build_parameter(member));
  }
  return out;
}

Requirement build_requirement(const SpanNode& node, const Claim& claim) {
  Requirement r;
  r.subjects = names<SubjectName>(node.find("subjects"));
  if (r.subjects.empty()) r.subjects = claim.subjects;
  r.device = std::string(trimmed(node.text_of("device")));
  r.fixture = std::string(trimmed(node.text_of("fixture")));
  r.command = folded(node.text_of("command"));
  r.agreement = std::string(trimmed(node.text_of("agreement")));
  if (const auto sm = number(node, "min_sm"))
    r.min_sm = static_cast<int>(std::clamp(*sm, 0.0, 999.0));
  if (const auto n = number(node, "machines"))
    r.machines = static_cast<int>(std::clamp(*n, 0.0, 1000.0));
  if (const SpanNode* live = node.find("live"); live != nullptr && live->is_scalar()) {
    const Scalar scalar = read_scalar(*live);
    const bool* flag = std::get_if<bool>(&scalar);
    r.live = flag != nullptr && *flag;
  }
  return r;
}

void build_requirements(const SpanNode* node, Claim& claim) {
  if (node == nullptr) return;
  for (const SpanMember& member : node->members) {
    const auto level = level_from(member.key);
    if (level) claim.requirements.emplace(*level, build_requirement(member.value, claim));
  }
}

Limits build_limits(const SpanNode* node) {
  Limits limits;
  if (node == nullptr) return limits;
  if (const auto time = number(*node, "time_s")) limits.time_s = std::clamp(*time, 0.01, 86400.0);
  if (const auto memory = number(*node, "memory_mib"))
    limits.memory_mib = static_cast<std::int64_t>(std::clamp(*memory, 16.0, 1048576.0));
  return limits;
}

std::string typed_status(const SpanNode& node) {
  const std::string_view discharge = trimmed(node.text_of("discharge_status"));
  return std::string(discharge.empty() ? trimmed(node.text_of("status")) : discharge);
}

std::vector<std::string> blockers(const SpanNode& node) {
  std::vector<std::string> out;
  const SpanNode* evidence = node.find("evidence_discharged_by");
  for (const SpanNode* list :
       {find_field(claim_shape(), node, "blocked_on"),
        evidence == nullptr ? nullptr : evidence->find("full_discharge_blocked_on")}) {
    for (const SpanNode* text : text_nodes(list)) {
      if (!trimmed(text->text).empty()) out.push_back(folded(text->text));
    }
  }
  return out;
}

Value parameters_value(const std::vector<Parameter>& parameters) {
  Value out(Value::Map{});
  for (const Parameter& p : parameters) {
    Value one(Value::Map{{"value", p.value}});
    if (p.origin) one.set("origin", Value(kOriginNames[static_cast<std::size_t>(*p.origin)]));
    if (!p.because.empty()) one.set("because", Value(p.because));
    out.set(p.name, std::move(one));
  }
  return out;
}

template <class NameType>
Value names_value(const std::vector<NameType>& list) {
  Value::List out;
  for (const NameType& name : list) out.push_back(Value(name.text));
  return Value(std::move(out));
}

Value requirement_value(const Requirement& r) {
  Value out(Value::Map{{"subjects", names_value(r.subjects)}});
  if (r.live) out.set("live", true);
  if (!r.device.empty()) out.set("device", Value(r.device));
  if (r.min_sm) out.set("min_sm", Value(*r.min_sm));
  if (!r.fixture.empty()) out.set("fixture", Value(r.fixture));
  if (!r.command.empty()) out.set("command", Value(r.command));
  if (!r.agreement.empty()) out.set("agreement", Value(r.agreement));
  if (r.machines != 0) out.set("machines", Value(r.machines));
  return out;
}

// Prose folded all the way down, numbers as numbers.
Value folded_value(const SpanNode& node) {
  if (node.is_scalar()) {
    const Value value = to_value(node);
    return value.is_string() ? Value(folded(node.text)) : value;
  }
  if (node.is_list()) {
    Value::List list;
    for (const SpanNode& item : node.items) list.push_back(folded_value(item));
    return Value(std::move(list));
  }
  if (!node.is_map()) return Value();
  Value::Map map;
  for (const SpanMember& member : node.members)
    map.emplace_back(member.key, folded_value(member.value));
  return Value(std::move(map));
}

Claim build_claim(const Document& document, const SpanNode& node) {
  Claim claim;
  claim.id = ClaimId{std::string(trimmed(node.text_of("id")))};
  claim.rule = sentence(node, "rule");
  claim.prediction = sentence(node, "prediction");
  claim.if_fails = sentence(node, "if_fails");
  claim.test = joined_text(find_field(claim_shape(), node, "test"));
  claim.binds_to = joined_text(node.find("binds_to"));
  claim.status = typed_status(node);
  claim.blocked_on = blockers(node);
  claim.parameters = build_parameters(node.find("parameters"));
  claim.subjects = names<SubjectName>(node.find("subjects"));
  claim.expect = trimmed(node.text_of("expect")) == "refuted" ? Expect::refuted : Expect::survived;
  claim.mutants = names<MutantName>(node.find("mutants"));
  if (const auto control = trimmed(node.text_of("control")); !control.empty())
    claim.control = SubjectName{std::string(control)};
  build_requirements(node.find("requires"), claim);
  claim.limits = build_limits(node.find("limits"));
  claim.machine_read = node.find("parameters") != nullptr;
  claim.span = node.span;
  claim.clause = build_clause(document, node, claim);
  return claim;
}

}  // namespace

Value build_clause(const Document& document, const SpanNode& node, const Claim& claim) {
  Value out(Value::Map{{"id", Value(claim.id.text)},
                       {"rule", Value(claim.rule)},
                       {"prediction", Value(claim.prediction)},
                       {"if_fails", Value(claim.if_fails)},
                       {"binds_to", Value(claim.binds_to)}});
  Value equations(Value::Map{});
  for (const SpanNode* name : text_nodes(node.find("binds_to"))) {
    const std::string_view bound = trimmed(name->text);
    if (const SpanNode* equation = document.equation(bound))
      equations.set(bound, folded_value(*equation));
  }
  out.set("equation", std::move(equations));
  out.set("expect", Value(kExpectNames[static_cast<std::size_t>(claim.expect)]));
  out.set("subjects", names_value(claim.subjects));
  out.set("parameters", parameters_value(claim.parameters));
  Value levels(Value::Map{});
  for (const auto& [level, requirement] : claim.requirements)
    levels.set(to_string(level), requirement_value(requirement));
  out.set("requires", std::move(levels));
  out.set("mutants", names_value(claim.mutants));
  out.set("control", claim.control ? Value(claim.control->text) : Value());
  return out;
}

Contract build_contract(const Document& document) {
  Contract contract;
  contract.id = ContractId{document.contract_id()};
  contract.version = std::string(document.metadata_text("version"));
  contract.file = document.file;
  for (const std::string_view section : {"falsification_tests", "falsification"}) {
    for (const SpanNode* node : document.entries(section)) {
      Claim claim = build_claim(document, *node);
      if (!claim.id.empty()) contract.claims.push_back(std::move(claim));
    }
  }
  return contract;
}

}  // namespace refute::pipeline
