#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "harness/cli/command.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/model/near_miss.hpp"
#include "harness/pipeline/execute/diagnostic_codes.hpp"
#include "harness/pipeline/judge/report_words.hpp"
#include "harness/pipeline/load/explain.hpp"
#include "harness/pipeline/load/load_contracts.hpp"

namespace refute::cli {
namespace {

struct ExplainOptions {
  std::vector<std::string> subjects;
  std::vector<std::string> contracts;
};

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string list_codes() {
  std::string out;
  for (const pipeline::CodeRow& row : pipeline::kCodes)
    out += fmt::format("{}  {}\n", row.code, row.title);
  for (const pipeline::DiagnosticCode& row : pipeline::kExecuteCodes)
    out += fmt::format("{}  {}\n", row.code, row.title);
  return out;
}

/// The codes about contracts, and those about workers and bindings.
std::string page_of_code(const std::string& code) {
  if (const pipeline::CodeRow* row = pipeline::find_code(code)) return pipeline::explain_code(*row);
  for (const pipeline::DiagnosticCode& row : pipeline::kExecuteCodes) {
    if (row.code == code)
      return fmt::format("{}: {}\n\n{}\n", row.code, row.title, row.explanation);
  }
  return {};
}

std::vector<Contract> read_contracts(const ExplainOptions& options) {
  std::vector<std::string> paths = options.contracts;
  if (paths.empty() && std::filesystem::is_directory("contracts")) paths.push_back("contracts");
  if (paths.empty()) return {};
  return pipeline::load_contracts(paths, {.lint = false}).contracts;
}

std::string page_of(const std::string& subject, const std::vector<Contract>& contracts) {
  if (std::string page = page_of_code(upper(subject)); !page.empty()) return page;
  for (const Contract& contract : contracts) {
    for (const Claim& claim : contract.claims) {
      if (claim.id.text == upper(subject) || claim.id.text == subject)
        return pipeline::explain_claim(contract, claim);
    }
  }
  return {};
}

std::string nearest_to(const std::string& subject, const std::vector<Contract>& contracts) {
  std::vector<std::string> names;
  for (const pipeline::CodeRow& row : pipeline::kCodes) names.emplace_back(row.code);
  for (const pipeline::DiagnosticCode& row : pipeline::kExecuteCodes) names.emplace_back(row.code);
  for (const Contract& contract : contracts) {
    for (const Claim& claim : contract.claims) names.push_back(claim.id.text);
  }
  return near_miss(subject, names, Nearness::surely_meant);
}

/// A contract's text may hold what a terminal would obey.
std::string printable_lines(std::string_view page) {
  std::string text;
  while (!page.empty()) {
    const std::size_t end = page.find('\n');
    text += pipeline::printable(page.substr(0, end));
    if (end == std::string_view::npos) break;
    text += '\n';
    page.remove_prefix(end + 1);
  }
  return text;
}

int explain(const ExplainOptions& options) {
  if (options.subjects.empty()) {
    fmt::print("{}", list_codes());
    return static_cast<int>(ExitCode::ok);
  }
  const std::vector<Contract> contracts = read_contracts(options);
  ExitCode status = ExitCode::ok;
  for (const std::string& subject : options.subjects) {
    const std::string page = page_of(subject, contracts);
    fmt::print("{}", printable_lines(page));
    if (!page.empty()) continue;
    const std::string meant = nearest_to(subject, contracts);
    const std::string help = meant.empty()
                                 ? "`refute explain` lists the codes, `refute list` the claims"
                                 : did_you_mean(meant);
    fmt::print(stderr, "refute: there is no code and no claim `{}`; {}\n", subject, help);
    status = ExitCode::usage;
  }
  return static_cast<int>(status);
}

std::function<int()> attach(CLI::App& app) {
  auto options = std::make_shared<ExplainOptions>();
  app.add_option("subject", options->subjects,
                 "Codes of findings (RF0207) or ids of claims; without any, all codes are listed")
      ->type_name("WORD");
  app.add_option("--contracts", options->contracts,
                 "Contracts, or folders of them (default: contracts)")
      ->type_name("PATH")
      ->allow_extra_args(false);
  return [options] { return explain(*options); };
}

}  // namespace

extern const Command kExplainCommand;
const Command kExplainCommand = {
    "explain",
    "Explain the code of a finding, or a claim: what it says, its numbers, what would refute it.",
    "  refute explain RF0207\n  refute explain FALSIFY-CRUX-B-11-001\n  refute explain            "
    "every code with its title\n",
    attach,
};

}  // namespace refute::cli
