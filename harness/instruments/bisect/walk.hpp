#pragma once

// Four runs side by side, stage by stage: the good end, the bad end, the reference on the bad end's
// weights, and the bad end's units fed with the reference's inputs. Nothing is kept but the latest
// layer of each.

#include <cstdint>
#include <vector>

#include "harness/instruments/bisect/end.hpp"
#include "harness/instruments/bisect/stage_row.hpp"

namespace refute::bisect {

/// The oracle of a model: path reference or reference-dequant, naive attention.
End oracle_end(const DecoderModel& model, unsigned threads);

struct Walk {
  std::vector<StageRow> rows;  ///< in forward order, every stage that the bad end has
  Decision good, bad, reference;
  Prints good_prints, bad_prints;
};

/// Both models have to be of one shape, all paths such that refuse_path() lets them pass.
Result<Walk> walk(const End& good, const End& bad, const Steps& steps);

}  // namespace refute::bisect
