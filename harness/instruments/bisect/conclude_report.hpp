#pragma once

#include "harness/instruments/bisect/bisect.hpp"
#include "harness/instruments/bisect/noise.hpp"

namespace refute::bisect {

/// Puts the forecast into the report and concludes from `evidence`, whose rows and symptom are the
/// report's own.
std::optional<Error> conclude_report(Report& report, Evidence evidence,
                                     Result<NoiseForecast> forecast);

}  // namespace refute::bisect
