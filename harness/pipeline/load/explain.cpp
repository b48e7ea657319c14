#include "harness/pipeline/load/explain.hpp"

#include <fmt/format.h>

#include "harness/json/json.hpp"

namespace refute::pipeline {
namespace {

constexpr std::array<std::string_view, 3> kOriginNames = {"derived", "calibrated", "chosen"};

std::string indented(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t end = text.find('\n');
    out += fmt::format("    {}\n", text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::string section(std::string_view title, std::string_view text) {
  return text.empty() ? std::string() : fmt::format("{}\n{}\n", title, indented(text));
}

template <class NameType>
std::string joined(const std::vector<NameType>& names) {
  std::string out;
  for (const NameType& name : names) out += (out.empty() ? "" : ", ") + name.text;
  return out;
}

std::string parameter_lines(const Claim& claim) {
  std::string out;
  for (const Parameter& p : claim.parameters) {
    if (!out.empty()) out += '\n';
    out += fmt::format("{} = {}", p.name, json::dump(p.value));
    if (p.origin)
      out +=
          fmt::format("  ({}: {})", kOriginNames[static_cast<std::size_t>(*p.origin)], p.because);
  }
  return out;
}

std::string requirement_line(const Requirement& r) {
  std::string out = fmt::format("on {}", r.subjects.empty() ? "no subject" : joined(r.subjects));
  if (r.live) out += ", live";
  if (!r.device.empty()) out += fmt::format(", on a {} device", r.device);
  if (r.min_sm) out += fmt::format(" of sm_{} or newer", *r.min_sm);
  if (!r.fixture.empty()) out += fmt::format(", reading {}", r.fixture);
  if (!r.command.empty()) out += fmt::format(", running `{}`", r.command);
  if (!r.agreement.empty())
    out += fmt::format(", {} agreement with an independent oracle", r.agreement);
  if (r.machines != 0) out += fmt::format(", reproduced by {} machines", r.machines);
  return out;
}

std::string requirement_lines(const Claim& claim) {
  std::string out;
  for (const auto& [level, requirement] : claim.requirements) {
    if (!out.empty()) out += '\n';
    out += fmt::format("{}: {}", to_string(level), requirement_line(requirement));
  }
  return out;
}

std::string power_lines(const Claim& claim) {
  if (claim.control) return fmt::format("the same check has to survive on {}", claim.control->text);
  if (claim.mutants.empty()) return "nothing: no mutant is named";
  return fmt::format("each of these has to be refuted: {}", joined(claim.mutants));
}

}  // namespace

std::string explain_code(const CodeRow& row) {
  const Explanation& more = explanation_of(row);
  return fmt::format("{}: {}\n\n{}\n\nWrong\n{}\nRight\n{}", row.code, row.title, more.why,
                     indented(more.wrong), indented(more.right));
}

std::string explain_claim(const Contract& contract, const Claim& claim) {
  std::string out =
      fmt::format("{}: {}\n{}:{}\n\n", claim.id.text, claim.rule, contract.file, claim.span.line);
  out += section("Prediction", claim.prediction);
  out += section("If it fails", claim.if_fails);
  if (claim.expect == Expect::refuted)
    out +=
        section("Expected",
                "refuted: the statement is recorded as it was claimed, and is known to be false");
  out += section("Bound to", claim.binds_to);
  out += section("Subjects", joined(claim.subjects));
  out += section("Parameters", parameter_lines(claim));
  out +=
      section("What shows that the check has power", claim.machine_read ? power_lines(claim) : "");
  out += section("What each level takes", requirement_lines(claim));
  out += section("Test, as the contract words it (never run)", claim.test);
  if (!claim.status.empty()) out += section("Level typed by hand", claim.status);
  return out;
}

}  // namespace refute::pipeline
