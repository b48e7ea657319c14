#pragma once

#include <string>
#include <string_view>

#include "harness/model/result.hpp"
#include "harness/pipeline/judge/store.hpp"

namespace refute::pipeline {

/// run.json.
std::string run_facts_json(const RunFacts& facts);
Result<RunFacts> parse_run_facts(std::string_view text);

}  // namespace refute::pipeline
