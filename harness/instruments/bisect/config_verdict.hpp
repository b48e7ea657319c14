#pragma once

// Two ends whose models are not described alike: what differs is the finding, whatever the stages
// say, because each end is judged by its own model's config and is right by it.

#include <optional>
#include <vector>

#include "harness/instruments/bisect/bisect.hpp"

namespace refute::bisect {

using forward::ConfigDifference;

/// Why two models cannot be compared at all; none where their weights have the same shapes.
std::optional<Error> refuse_other_shapes(const std::vector<ConfigDifference>& config,
                                         const DecoderModel& good, const DecoderModel& bad);

/// Whether every stage of one has its counterpart in the other.
bool stages_match(const std::vector<ConfigDifference>& config);

/// Makes the differences, if there are any, the report's verdict, and keeps beside them what was
/// concluded of the stages, or says that they were not compared.
void conclude_config(Report& report, std::vector<ConfigDifference> config, const DecoderModel& good,
                     const DecoderModel& bad);

}  // namespace refute::bisect
