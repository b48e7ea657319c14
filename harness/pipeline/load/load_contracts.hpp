#pragma once

// The front half of the pipeline in one call: paths in, contracts and findings out.

#include <string>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/diagnostic.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/model/result.hpp"
#include "harness/pipeline/load/lint.hpp"

namespace refute::pipeline {

struct LoadOptions {
  unsigned threads = 0;                    ///< 0: as many as the machine has
  const ComputedLevels* levels = nullptr;  ///< from evidence; null when nobody computed them
  bool lint = true;  ///< false: bytes, YAML and schema only, for commands that merely read
};

/// A file's text, kept for code frames.
struct SourceText {
  std::string file;
  std::string text;
};

struct LoadResult {
  std::vector<Contract>
      contracts;  ///< of every file without an error in bytes or YAML, in the order of `sources`
  Diagnostics diagnostics;          ///< by file, line, column, code
  std::vector<SourceText> sources;  ///< by name; what was read
  std::vector<Error> unreadable;    ///< paths that are not there, or could not be read
};

/// Reads every *.yaml and *.yml of the paths (folders recursively, hidden entries left out) on
/// several threads. A file named twice is read once. One bad file hides no other.
LoadResult load_contracts(const std::vector<std::string>& paths, const LoadOptions& options = {});

/// The same for one text in memory, under a name of the caller's choice.
LoadResult lint_text(std::string name, std::string bytes, const LoadOptions& options = {});

/// The files that the paths stand for, sorted; problems are added to `unreadable`.
std::vector<std::string> find_contract_files(const std::vector<std::string>& paths,
                                             std::vector<Error>& unreadable);

/// Every exit status that applies, in order of precedence; the first is the command's. `strict`:
/// warnings count.
std::vector<ExitCode> exit_codes(const LoadResult& result, bool strict);

}  // namespace refute::pipeline
