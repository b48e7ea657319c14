#pragma once

// How a diff of stages is shown. Pure.

#include <string>

#include "harness/instruments/stage_diff.hpp"
#include "harness/model/value.hpp"

namespace refute::instruments {

/// Numbers that are not there are null; `reason` or a finding says why.
Value stage_file_value(const StageFileDiff& diff, const StageLimits& limits);
Value capture_value(const CaptureDiff& diff, const StageLimits& limits);

/// For a terminal.
std::string stage_file_text(const StageFileDiff& diff, bool color);
std::string capture_text(const CaptureDiff& diff, bool color);

/// "57 of 60 stages compared, 2 findings; first in layer-1/ffn_gate.bin".
std::string capture_summary(const CaptureDiff& diff);

}  // namespace refute::instruments
