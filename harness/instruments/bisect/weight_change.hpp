#pragma once

// What storing weights in another format costs at one stage, measured and predicted.

#include <optional>

#include "harness/instruments/bisect/end.hpp"
#include "harness/instruments/bisect/stage_row.hpp"

namespace refute::bisect {

/// The largest relative error that the formats of a stage's weights are expected to have, with
/// their names; none for stages without weights, and where no band is known for a pair of types.
struct WeightBand {
  double high = 0;
  std::string types;
};
std::optional<WeightBand> weight_band(StageAt at, const DecoderModel& original,
                                      const DecoderModel& stored);

/// Of a stage of a run on `original`, whose inputs are given; none where weight_band() has none.
Result<std::optional<QuantisationError>> weight_change(StageAt at, const DecoderModel& original,
                                                       const DecoderModel& stored,
                                                       AttentionKernel attention,
                                                       const StageInputs& inputs, unsigned threads);

}  // namespace refute::bisect
