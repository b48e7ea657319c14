#pragma once

#include <string>
#include <vector>

namespace refute {

enum class Severity { error, warning, info };

/// A stretch of a source file. Lines and columns count from 1, columns in code points; the end is
/// exclusive.
struct Span {
  int line = 0, column = 0;
  int end_line = 0, end_column = 0;
};

/// One finding of `validate`. A file's findings are all collected before anything is printed.
struct Diagnostic {
  std::string code;  ///< stable, "RF0207"; `refute explain RF0207` says more
  Severity severity = Severity::error;
  std::string file;     ///< as the user named it
  Span span;            ///< zero line: the finding is about the file as a whole
  std::string pointer;  ///< JSON pointer into the document, "/falsification_tests/2/prediction"
  std::string message;  ///< what is wrong
  std::string help;     ///< what to do, with the near miss if there is one; may be empty
};

using Diagnostics = std::vector<Diagnostic>;

}  // namespace refute
