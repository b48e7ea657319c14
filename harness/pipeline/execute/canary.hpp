#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/model/evidence.hpp"
#include "harness/pipeline/execute/plan.hpp"

namespace refute::pipeline {

constexpr std::string_view kCanaryContract = "CANARY";

/// Keeps the arms that the canary is about: its subjects, and the mutant that must be seen to live.
std::vector<PlannedJob> canary_jobs(std::vector<PlannedJob> planned);

/// Every run also runs rows that crash, hang, lie and let a mutant live. Where one of them is taken
/// for something else, or was not run, the harness cannot be trusted and no verdict of this run
/// counts. One sentence for each.
std::vector<std::string> canary_problems(const std::vector<Evidence>& evidence);

}  // namespace refute::pipeline
