#pragma once

#include <array>
#include <string_view>

namespace refute {

/// What a command's exit status means. The first row that applies wins; JSON output lists all that
/// apply.
enum class ExitCode {
  ok = 0,
  findings = 1,
  usage = 2,
  no_verdict = 3,
  nothing_selected = 4,
  incomplete = 5,
  stale = 6,
  not_verified = 7,
  vacuous = 8,
  internal = 70,
};

struct ExitCodeRow {
  ExitCode code;
  std::string_view meaning;
};

/// In order of precedence.
constexpr std::array<ExitCodeRow, 10> kExitCodes = {{
    {ExitCode::internal, "a bug in refute"},
    {ExitCode::usage, "usage: bad option, unreadable or malformed input; nothing was run"},
    {ExitCode::not_verified, "evidence does not verify"},
    {ExitCode::findings,
     "findings: lint error, refuted, crashed, not deterministic, below the required level"},
    {ExitCode::vacuous, "vacuous: a check could not fail"},
    {ExitCode::no_verdict, "a worker, device or disk failed, so there is no verdict"},
    {ExitCode::stale, "stale: ledger or evidence does not match today's inputs"},
    {ExitCode::incomplete,
     "incomplete: all that ran passed, something required was declined, or nothing ran at all"},
    {ExitCode::nothing_selected, "nothing selected"},
    {ExitCode::ok, "everything asked for holds"},
}};

}  // namespace refute
