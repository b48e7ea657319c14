#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/pipeline/load/lint.hpp"

namespace refute::cli {

/// The levels that reports/ledger.json holds, beside the contracts/ of the paths; nothing where no
/// ledger is committed. Only read, never computed, so that no worker is started.
Result<std::optional<pipeline::ComputedLevels>> committed_levels(
    const std::vector<std::string>& paths);

}  // namespace refute::cli
