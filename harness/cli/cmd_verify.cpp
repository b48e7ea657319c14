// verify: whether the committed evidence is, byte for byte, what was promoted.

#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "harness/cli/command.hpp"
#include "harness/json/json.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/pipeline/judge/evidence.hpp"
#include "harness/pipeline/judge/verify.hpp"

namespace refute::cli {
namespace {

struct VerifyWords {
  std::string reports = "reports";
  bool json = false;
};

struct Counts {
  std::size_t files = 0;
  std::ptrdiff_t records = 0;
};

Counts counts_of(const pipeline::EvidenceFiles& files) {
  Counts counts;
  counts.files = files.size();
  for (const auto& [path, text] : files) {
    if (path.ends_with(".jsonl") && !path.ends_with(".attestations.jsonl")) {
      counts.records += std::ranges::count(text, '\n');
    }
  }
  return counts;
}

void print_json(const std::vector<pipeline::VerifyFinding>& findings, const Counts& counts) {
  Value list = Value::List{};
  for (const pipeline::VerifyFinding& f : findings) {
    list.push(Value::Map{{"damage", to_string(f.damage)}, {"path", f.path}, {"what", f.what}});
  }
  fmt::print("{}", json::dump_pretty(Value::Map{{"files", std::uint64_t{counts.files}},
                                                {"records", std::int64_t{counts.records}},
                                                {"verifies", findings.empty()},
                                                {"findings", list}}));
}

void print_text(const std::vector<pipeline::VerifyFinding>& findings, const Counts& counts,
                const std::string& reports) {
  for (const pipeline::VerifyFinding& f : findings) {
    fmt::print("{}/{}: {}: {}\n", reports, f.path, to_string(f.damage), f.what);
  }
  if (findings.empty()) {
    fmt::print("{} records in {} files verify\n", counts.records, counts.files);
  } else {
    fmt::print("the evidence does not verify: {} findings\n", findings.size());
  }
}

int verify(const VerifyWords& words) {
  const auto findings = pipeline::verify_folder(words.reports);
  const auto files = pipeline::read_evidence_folder(words.reports + "/evidence");
  const Counts counts = files ? counts_of(*files) : Counts{};
  if (findings.empty() && counts.records == 0) {
    fmt::print(stderr, "refute: there is no evidence under {}; `refute promote` commits it\n",
               words.reports);
    return static_cast<int>(ExitCode::nothing_selected);
  }
  words.json ? print_json(findings, counts) : print_text(findings, counts, words.reports);
  return static_cast<int>(findings.empty() ? ExitCode::ok : ExitCode::not_verified);
}

std::function<int()> attach(CLI::App& app) {
  auto words = std::make_shared<VerifyWords>();
  app.add_option("reports", words->reports, "Folder of the committed ledger and evidence")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_flag("--json", words->json, "Findings as JSON");
  return [words] { return verify(*words); };
}

}  // namespace

extern const Command kVerifyCommand;
const Command kVerifyCommand = {
    "verify",
    "Check the committed evidence byte for byte; exit 7 when it was changed.",
    "  refute verify\n"
    "  refute verify reports --json\n",
    attach,
};

}  // namespace refute::cli
