#pragma once

// Reads the shell text of a `test:` far enough to see whether it could fail. Nothing here runs
// anything.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace refute::pipeline {

/// What stands between a command and the next one.
enum class Joint { end, sequence, and_then, or_else, pipe };

struct ShellCommand {
  std::string text;  ///< as written, trimmed
  std::vector<std::string>
      words;  ///< split at blanks outside quotes, quotes kept; `then`, `do`, `{`, `!` … dropped
  std::size_t offset = 0;  ///< in the text of the test
  Joint after = Joint::end;
  bool conditional = false;  ///< stands behind `if`, `while`, `then`, `else` or inside a function

  std::string_view name() const {
    return words.empty() ? std::string_view() : std::string_view(words.front());
  }
};

/// Commands in their order, comments left out, joints outside quotes and `$(…)` recognised.
std::vector<ShellCommand> read_shell(std::string_view text);

/// Prose is far more common than shell in `test:`; only what begins with a command is taken for
/// shell.
bool looks_like_shell(std::string_view text);

}  // namespace refute::pipeline
