#include "harness/instruments/bisect/conclude_report.hpp"

namespace refute::bisect {

std::optional<Error> conclude_report(Report& report, Evidence evidence,
                                     Result<NoiseForecasts> forecasts) {
  if (!forecasts) return forecasts.take_error();
  enter_forecasts(*forecasts, report.rows);
  report.replicas = evidence.replicas = forecasts->total.replicas;
  report.flips = evidence.flips = forecasts->total.flips;
  report.verdict = conclude(evidence);
  return std::nullopt;
}

}  // namespace refute::bisect
