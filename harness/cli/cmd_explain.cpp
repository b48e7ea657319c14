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
  return out;
}

std::vector<Contract> read_contracts(const ExplainOptions& options) {
  std::vector<std::string> paths = options.contracts;
  if (paths.empty() && std::filesystem::is_directory("contracts")) paths.push_back("contracts");
  if (paths.empty()) return {};
  return pipeline::load_contracts(paths, {.lint = false}).contracts;
}

std::string page_of(const std::string& subject, const std::vector<Contract>& contracts) {
  if (const pipeline::CodeRow* row = pipeline::find_code(upper(subject)))
    return pipeline::explain_code(*row);
  for (const Contract& contract : contracts) {
    for (const Claim& claim : contract.claims) {
      if (claim.id.text == upper(subject) || claim.id.text == subject)
        return pipeline::explain_claim(contract, claim);
    }
  }
  return {};
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
    fmt::print("{}", page);
    if (!page.empty()) continue;
    const std::string meant = pipeline::nearest_subject(subject, contracts);
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
                 "codes (RF0207) or claim ids; without any, the codes are listed");
  app.add_option("--contracts", options->contracts,
                 "where the contracts are (default: contracts/)");
  return [options] { return explain(*options); };
}

}  // namespace

extern const Command kExplainCommand;
const Command kExplainCommand = {
    "explain",
    "Explain a code of `validate`, or a claim of the contracts.",
    "  refute explain RF0207\n  refute explain FALSIFY-CRUX-B-11-001\n",
    attach,
};

}  // namespace refute::cli
