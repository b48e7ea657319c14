#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "harness/model/contract.hpp"
#include "harness/model/evidence.hpp"
#include "harness/model/exit_code.hpp"
#include "harness/model/level.hpp"
#include "harness/pipeline/judge/ledger.hpp"

namespace refute::pipeline {

/// What the user asked a run for beyond running.
struct Demands {
  std::optional<Level> min_level;                 ///< every selected claim must reach it
  std::function<bool(const Evidence&)> required;  ///< jobs that may not be declined; empty: none
};

/// Which exit codes a run's outcome calls for: in order of precedence, {ok} when nothing is amiss.
/// `evidence` is what this run made; `ledger` covers the selected claims. Nothing ran:
/// {nothing_selected}.
std::vector<ExitCode> all_that_apply(const std::vector<Contract>& contracts, const Ledger& ledger,
                                     const std::vector<Evidence>& evidence,
                                     const Demands& demands = {});
/// Sorts by precedence, removes repetitions, and leaves `ok` only where it stands alone.
std::vector<ExitCode> in_order(std::vector<ExitCode> codes);
/// The one that the process exits with. Nothing applies: ok.
ExitCode first_of(const std::vector<ExitCode>& codes);

}  // namespace refute::pipeline
