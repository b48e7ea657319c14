#pragma once

// Two captures side by side, stage by stage: every output held against what our own formula makes
// of the inputs that the same capture has for that stage. That works for engines that cannot be run
// here.

#include <vector>

#include "harness/instruments/bisect/captured_run.hpp"
#include "harness/instruments/bisect/stage_row.hpp"

namespace refute::bisect {

/// A captured run and the weights that it ran on.
struct CapturedEnd {
  const CapturedRun& run;
  const DecoderModel& model;
  Arithmetic arithmetic;
};

struct CaptureWalk {
  std::vector<StageRow> rows;  ///< every stage of the bad end's model, captured or not
  Decision reference;          ///< of the oracle on the bad end's weights
  std::optional<Decision> original_reference;  ///< of the one on the good end's, if others
};

/// Both captures are of the same tokens and fit their models.
Result<CaptureWalk> walk_captures(const CapturedEnd& good, const CapturedEnd& bad,
                                  unsigned threads);

/// Without a model only how far apart the two are at each stage, with what went before.
std::vector<StageRow> compare_captures(const CapturedRun& good, const CapturedRun& bad);

}  // namespace refute::bisect
