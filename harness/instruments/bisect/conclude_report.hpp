#pragma once

#include "harness/instruments/bisect/bisect.hpp"
#include "harness/instruments/bisect/noise.hpp"

namespace refute::bisect {

/// Puts the forecasts into the report and concludes from `evidence`, whose rows and symptom are the
/// report's own.
std::optional<Error> conclude_report(Report& report, Evidence evidence,
                                     Result<NoiseForecasts> forecasts);

}  // namespace refute::bisect
