#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/ids.hpp"
#include "harness/model/result.hpp"
#include "harness/model/value.hpp"
#include "harness/pipeline/execute/parameter_rule.hpp"

namespace refute::pipeline {

/// The version of harness/PROTOCOL.md that this side speaks.
constexpr int kProtocol = 1;

/// One falsifier of a worker, as its --list describes it.
struct Row {
  ClaimId claim;
  std::string help;
  std::vector<SubjectName> subjects;
  std::vector<MutantName> mutants;
  std::vector<SubjectName> controls;
  std::vector<std::string> parameters;  ///< that it reads
  std::vector<std::string> fixtures;    ///< that it wants
  std::vector<std::string> operations;  ///< that a subject server must serve to be bound to it
  bool exclusive = false;               ///< gets every core and runs alone
};

enum class WorkerKind { falsifier, subject };

/// What a worker says about itself.
struct WorkerInfo {
  std::string path;
  bool named = false;  ///< by the user, with --worker: it must then be of use
  WorkerKind kind = WorkerKind::falsifier;
  std::string name;
  ContractId contract;
  std::map<std::string, Digest> source;  ///< backend → digest of what its evidence rests on
  Digest file;            ///< of the executable; stands in for a backend without a source digest
  Value toolchain;        ///< map: compiler, flags, sanitizers
  std::vector<Row> rows;  ///< falsifiers only, like the next
  std::vector<ParameterRule> parameters;
  SubjectName subject;  ///< subject servers only, like the next
  std::vector<std::string> operations;

  const Row* row(const ClaimId& claim) const;
  /// Null when the worker says nothing about that parameter.
  const ParameterRule* parameter(std::string_view name) const;
};

/// The digest that evidence about this subject rests on.
Digest source_of(const WorkerInfo& worker, const SubjectName& subject);
/// Whether that is what the worker says of itself, and not the digest of its file.
bool declares_source(const WorkerInfo& worker, const SubjectName& subject);
/// The same where a subject server computes and the falsifier judges: it rests on both.
Digest source_of(const WorkerInfo& worker, const WorkerInfo& server);

/// Reads what `--list` printed. The error's sentence says what is wrong with it; `path` and `file`
/// are left empty.
Result<WorkerInfo> parse_listing(std::string_view text);

}  // namespace refute::pipeline
