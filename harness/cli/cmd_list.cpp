// list: what there is to run, and which claims nothing tries to refute.

#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include "harness/cli/command.hpp"
#include "harness/cli/project.hpp"
#include "harness/json/json.hpp"
#include "harness/pipeline/judge/report_words.hpp"

namespace refute::cli {
namespace {

struct ListWords {
  ProjectOptions project;
  std::vector<std::string> claims;
  std::string format = "text";
  bool json = false;
};

struct Entry {
  const Contract* contract;
  const Claim* claim;
  const pipeline::BoundClaim* bound;  ///< null: nothing tries to refute it
};

std::vector<Entry> entries_of(const Project& project, const std::vector<std::string>& globs) {
  std::vector<Entry> entries;
  for (const Contract& contract : project.contracts) {
    for (const Claim& claim : contract.claims) {
      const bool wanted = globs.empty() || std::ranges::any_of(globs, [&](const std::string& glob) {
                            return ::fnmatch(glob.c_str(), claim.id.text.c_str(), 0) == 0;
                          });
      if (!wanted) continue;
      const auto& bound = project.bindings.bound;
      const auto at = std::ranges::find(bound, &claim, &pipeline::BoundClaim::claim);
      entries.push_back({&contract, &claim, at == bound.end() ? nullptr : &*at});
    }
  }
  return entries;
}

template <class Names>
std::vector<std::string> texts(const Names& names) {
  std::vector<std::string> out;
  for (const auto& name : names) out.push_back(name.text);
  return out;
}

std::vector<std::string> subjects(const Entry& entry) {
  if (entry.bound == nullptr) return texts(entry.claim->subjects);
  std::vector<std::string> names;
  for (const pipeline::BoundSubject& subject : entry.bound->subjects)
    names.push_back(subject.name.text);
  return names;
}

std::vector<std::string> levels(const Claim& claim) {
  std::vector<std::string> words;
  for (const auto& [level, requirement] : claim.requirements) words.emplace_back(to_string(level));
  return words;
}

std::string expectation(const Claim& claim) {
  return claim.expect == Expect::refuted ? "expected to be refuted" : "expected to survive";
}

std::string power(const Claim& claim) {
  if (claim.control) return "control " + claim.control->text;
  if (claim.mutants.empty()) return "no mutants";
  return fmt::format("mutants {}", fmt::join(texts(claim.mutants), ", "));
}

/// A line of text from contracts and workers, which may hold what a terminal would obey.
template <class... Parts>
void line(fmt::format_string<Parts...> format, Parts&&... parts) {
  fmt::print("{}\n", pipeline::printable(fmt::format(format, std::forward<Parts>(parts)...)));
}

void print_entry(const Entry& entry) {
  const Claim& claim = *entry.claim;
  line("  {}  {}", claim.id.text, claim.rule);
  if (entry.bound == nullptr) return line("      UNBOUND: no falsifier carries this id");
  const pipeline::Row& row = *entry.bound->row;
  line("      {}{}{}", row.help, row.help.empty() ? "" : " · ", expectation(claim));
  line("      subjects {} · {}{}", fmt::join(subjects(entry), ", "), power(claim),
       row.exclusive ? " · runs alone" : "");
  if (!row.fixtures.empty()) line("      fixtures {}", fmt::join(row.fixtures, ", "));
  if (!claim.requirements.empty()) line("      asks for {}", fmt::join(levels(claim), ", "));
}

void print_text(const std::vector<Entry>& entries) {
  const Contract* contract = nullptr;
  std::size_t bound = 0;
  for (const Entry& entry : entries) {
    if (entry.contract != contract) {
      const std::string worker = entry.bound == nullptr ? "no worker" : entry.bound->worker->path;
      if (contract != nullptr) fmt::print("\n");
      line("{}  {}  {}", entry.contract->id.text, entry.contract->file, worker);
    }
    contract = entry.contract;
    bound += entry.bound != nullptr ? 1 : 0;
    print_entry(entry);
  }
  fmt::print("\n{} claims, {} bound\n", entries.size(), bound);
}

Value list(const std::vector<std::string>& texts) {
  return Value::List(texts.begin(), texts.end());
}

Value value_of(const Entry& entry) {
  const Claim& claim = *entry.claim;
  Value value;
  value.set("contract", entry.contract->id.text);
  value.set("file", entry.contract->file);
  value.set("line", claim.span.line);
  value.set("claim", claim.id.text);
  value.set("rule", claim.rule);
  value.set("bound", entry.bound != nullptr);
  value.set("worker", entry.bound == nullptr ? Value() : Value(entry.bound->worker->path));
  value.set("expect", claim.expect == Expect::refuted ? "refuted" : "survived");
  value.set("subjects", list(subjects(entry)));
  value.set("mutants", list(texts(claim.mutants)));
  value.set("control", claim.control ? Value(claim.control->text) : Value());
  value.set("levels", list(levels(claim)));
  value.set("fixtures",
            entry.bound == nullptr ? Value(Value::List{}) : list(entry.bound->row->fixtures));
  value.set("operations",
            entry.bound == nullptr ? Value(Value::List{}) : list(entry.bound->row->operations));
  value.set("exclusive", entry.bound != nullptr && entry.bound->row->exclusive);
  return value;
}

void print_json(const std::vector<Entry>& entries) {
  Value claims{Value::List{}};
  for (const Entry& entry : entries) claims.push(value_of(entry));
  Value document;
  document.set("claims", std::move(claims));
  fmt::print("{}", json::dump_pretty(document));
}

int run_list(const ListWords& words) {
  const std::string format = words.json ? "json" : words.format;
  if (format != "text" && format != "json") {
    fmt::print(stderr, "refute: --format {}: there are text, json\n", format);
    return static_cast<int>(ExitCode::usage);
  }
  const auto project = open_project(words.project);
  print_findings(*project);
  const std::vector<Entry> entries = entries_of(*project, words.claims);
  format == "json" ? print_json(entries) : print_text(entries);
  if (project->bad) return static_cast<int>(*project->bad);
  return static_cast<int>(entries.empty() ? ExitCode::nothing_selected : ExitCode::ok);
}

std::function<int()> attach(CLI::App& app) {
  auto words = std::make_shared<ListWords>();
  words->project.lint = false;
  add_project_options(app, words->project);
  app.add_option("--claim", words->claims, "Only claims whose id matches GLOB (repeatable)")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  app.add_option("--format", words->format, "Claims on stdout: text, json")->type_name("FORMAT");
  app.add_flag("--json", words->json, "Short for --format json");
  return [words] { return run_list(*words); };
}

}  // namespace

extern const Command kListCommand;
const Command kListCommand = {
    "list",
    "Show the claims, what tries to refute them, and the levels that they ask for.",
    "  refute list\n"
    "  refute list contracts/nf4-v1.yaml --json\n"
    "  refute list --claim 'C-NF4-*' --worker ./my_kernel.py\n",
    attach,
};

}  // namespace refute::cli
