#include "harness/pipeline/execute/bind.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/model/near_miss.hpp"

namespace refute::pipeline {
namespace {

template <class T>
bool contains(const std::vector<T>& list, const T& item) {
  return std::ranges::find(list, item) != list.end();
}

template <class Tagged>
std::vector<std::string> texts(const std::vector<Tagged>& names) {
  std::vector<std::string> out;
  for (const Tagged& name : names) out.push_back(name.text);
  return out;
}

std::string meant_or_all(std::string_view word, const std::vector<std::string>& known) {
  const std::string near = near_miss(word, known);
  if (!near.empty()) return did_you_mean(near);
  return known.empty() ? "the row has none" : fmt::format("the row has {}", fmt::join(known, ", "));
}

/// Collects what is to be said about one claim.
class Findings {
 public:
  Findings(const Contract& contract, Diagnostics& out) : contract_(contract), out_(out) {}

  void add(std::string code, Severity severity, const Claim& claim, std::string message,
           std::string help) {
    out_.push_back({std::move(code), severity, contract_.file, claim.span, "", std::move(message),
                    std::move(help)});
  }
  void add_at(std::string code, Span span, std::string message, std::string help) {
    out_.push_back({std::move(code), Severity::error, contract_.file, span, "", std::move(message),
                    std::move(help)});
  }
  void add_for_file(std::string code, const std::string& file, std::string message,
                    std::string help) {
    out_.push_back(
        {std::move(code), Severity::error, file, {}, "", std::move(message), std::move(help)});
  }

 private:
  const Contract& contract_;
  Diagnostics& out_;
};

void compare_mutants(const Claim& claim, const Row& row, Findings& findings) {
  for (const MutantName& mutant : claim.mutants) {
    if (contains(row.mutants, mutant)) continue;
    findings.add("RF0813", Severity::error, claim,
                 fmt::format("the falsifier of {} has no mutant {}", claim.id.text, mutant.text),
                 meant_or_all(mutant.text, texts(row.mutants)));
  }
  for (const MutantName& mutant : row.mutants) {
    if (contains(claim.mutants, mutant)) continue;
    findings.add("RF0814", Severity::info, claim,
                 fmt::format("{} does not ask for the mutant {} that its falsifier offers",
                             claim.id.text, mutant.text),
                 fmt::format("add {} to `mutants`, so that it must die", mutant.text));
  }
}

void compare_subjects(const Claim& claim, const Row& row, Findings& findings) {
  if (claim.subjects.empty()) {
    findings.add("RF0820", Severity::error, claim,
                 fmt::format("{} names no subject", claim.id.text),
                 fmt::format("its falsifier offers {}", fmt::join(texts(row.subjects), ", ")));
  }
  for (const SubjectName& subject : claim.subjects) {
    if (contains(row.subjects, subject)) continue;
    findings.add("RF0815", Severity::error, claim,
                 fmt::format("the falsifier of {} has no subject {}", claim.id.text, subject.text),
                 meant_or_all(subject.text, texts(row.subjects)));
  }
  for (const SubjectName& subject : row.subjects) {
    if (contains(claim.subjects, subject)) continue;
    findings.add("RF0816", Severity::info, claim,
                 fmt::format("{} does not ask for the subject {} that its falsifier offers",
                             claim.id.text, subject.text),
                 fmt::format("add {} to `subjects`, so that it is tried", subject.text));
  }
  if (claim.control && !contains(row.controls, *claim.control)) {
    findings.add(
        "RF0819", Severity::error, claim,
        fmt::format("the falsifier of {} has no control {}", claim.id.text, claim.control->text),
        meant_or_all(claim.control->text, texts(row.controls)));
  }
}

void compare_parameters(const Claim& claim, const Row& row, Findings& findings) {
  std::vector<std::string> given;
  for (const Parameter& parameter : claim.parameters) given.push_back(parameter.name);
  for (const std::string& name : row.parameters) {
    if (contains(given, name)) continue;
    const std::string near = near_miss(name, given);
    findings.add(
        "RF0817", Severity::error, claim,
        fmt::format("{} does not give the parameter {} that its falsifier reads", claim.id.text,
                    name),
        near.empty() ? "add it under `parameters`" : fmt::format("is {} meant to be it?", near));
  }
  for (const std::string& name : given) {
    if (contains(row.parameters, name)) continue;
    findings.add("RF0818", Severity::warning, claim,
                 fmt::format("no falsifier reads the parameter {} of {}", name, claim.id.text),
                 "it has no effect: take it out, or have the falsifier read it");
  }
}

// A wrong value would break every job of the claim; said here, it has a place and costs nothing.
void check_parameter_values(const Claim& claim, const Row& row, const WorkerInfo& worker,
                            Findings& findings) {
  for (const Parameter& parameter : claim.parameters) {
    const ParameterRule* rule = worker.parameter(parameter.name);
    if (rule == nullptr || !contains(row.parameters, parameter.name)) continue;
    if (auto problem = problem_with(parameter.value, *rule)) {
      const bool placed = problem->item && *problem->item < parameter.items.size();
      findings.add_at("RF0823", placed ? parameter.items[*problem->item] : parameter.span,
                      fmt::format("`{}` of {}: {}", parameter.name, claim.id.text, problem->what),
                      std::move(problem->help));
    }
  }
}

bool serves(const WorkerInfo& server, const Row& row) {
  return !row.operations.empty() &&
         std::ranges::all_of(row.operations, [&](const std::string& operation) {
           return contains(server.operations, operation);
         });
}

std::vector<BoundSubject> subjects_of(const Claim& claim, const WorkerInfo& worker, const Row& row,
                                      const Registry& registry) {
  std::vector<BoundSubject> subjects;
  for (const SubjectName& name : claim.subjects) {
    if (contains(row.subjects, name))
      subjects.push_back({name, "", source_of(worker, name), declares_source(worker, name)});
  }
  for (const WorkerInfo& server : registry.workers) {
    const bool ours = server.kind == WorkerKind::subject && server.contract == worker.contract;
    if (ours && serves(server, row))
      subjects.push_back({server.subject, server.path, source_of(worker, server)});
  }
  return subjects;
}

void bind_claim(const Contract& contract, const Claim& claim, const Registry& registry,
                Findings& findings, Bindings& bindings) {
  const WorkerInfo* worker = registry.falsifier_of(contract.id);
  const Row* row = worker == nullptr ? nullptr : worker->row(claim.id);
  if (row == nullptr) {
    // A worker that gave no list may be the one; what is wrong with it has been said already.
    if (worker == nullptr && has_errors(registry.diagnostics)) return;
    findings.add("RF0811", claim.machine_read ? Severity::error : Severity::warning, claim,
                 fmt::format("no falsifier carries the id {}", claim.id.text),
                 worker == nullptr
                     ? fmt::format("no worker speaks for the contract {}", contract.id.text)
                     : fmt::format("add a row for it to {}", worker->name));
    return;
  }
  compare_subjects(claim, *row, findings);
  compare_mutants(claim, *row, findings);
  compare_parameters(claim, *row, findings);
  check_parameter_values(claim, *row, *worker, findings);
  bindings.bound.push_back(
      {&contract, &claim, worker, row, subjects_of(claim, *worker, *row, registry)});
}

void find_orphans(const Contract& contract, const Registry& registry, Findings& findings) {
  const WorkerInfo* worker = registry.falsifier_of(contract.id);
  if (worker == nullptr) return;
  std::vector<std::string> ids;
  for (const Claim& claim : contract.claims) ids.push_back(claim.id.text);
  for (const Row& row : worker->rows) {
    if (contains(ids, row.claim.text)) continue;
    const std::string near = near_miss(row.claim.text, ids);
    findings.add_for_file("RF0812", worker->path,
                          fmt::format("{} has a row for {}, which {} does not list", worker->name,
                                      row.claim.text, contract.file),
                          near.empty() ? "add the claim to the contract, or take the row out"
                                       : fmt::format("is {} meant?", near));
  }
}

// Server and falsifier are known: does any row ask only for what the server serves?
void find_idle_servers(const Contract& contract, const Registry& registry, Findings& findings) {
  const WorkerInfo* falsifier = registry.falsifier_of(contract.id);
  for (const WorkerInfo& server : registry.workers) {
    if (server.kind != WorkerKind::subject || server.contract != contract.id) continue;
    const bool used =
        falsifier != nullptr &&
        std::ranges::any_of(falsifier->rows, [&](const Row& row) { return serves(server, row); });
    if (used) continue;
    findings.add_for_file("RF0808", server.path,
                          fmt::format("the subject server {} binds to no claim of {}",
                                      server.subject.text, contract.id.text),
                          "a row is bound when the server serves all of its operations (refute "
                          "list --json shows them)");
  }
}

// A worker that the user named must not be passed over in silence.
void find_strangers(const std::vector<Contract>& contracts, const Registry& registry,
                    Diagnostics& out) {
  std::vector<std::string> ids;
  for (const Contract& contract : contracts) ids.push_back(contract.id.text);
  for (const WorkerInfo& worker : registry.workers) {
    if (!worker.named || contains(ids, worker.contract.text)) continue;
    const std::string near = near_miss(worker.contract.text, ids);
    Diagnostic d;
    d.code = "RF0806";
    d.file = worker.path;
    d.message = fmt::format("{} speaks of the contract {}, which is not loaded", worker.name,
                            worker.contract.text);
    d.help =
        near.empty() ? "name the contract's file on the command line as well" : did_you_mean(near);
    out.push_back(std::move(d));
  }
}

}  // namespace

Bindings bind_claims(const std::vector<Contract>& contracts, const Registry& registry) {
  Bindings bindings;
  for (const Contract& contract : contracts) {
    Findings findings(contract, bindings.diagnostics);
    for (const Claim& claim : contract.claims)
      bind_claim(contract, claim, registry, findings, bindings);
    find_orphans(contract, registry, findings);
    find_idle_servers(contract, registry, findings);
  }
  find_strangers(contracts, registry, bindings.diagnostics);
  return bindings;
}

bool has_errors(const Diagnostics& diagnostics) {
  return std::ranges::any_of(diagnostics,
                             [](const Diagnostic& d) { return d.severity == Severity::error; });
}

}  // namespace refute::pipeline
