#include "harness/instruments/bisect/conclude_report.hpp"

namespace refute::bisect {

std::optional<Error> conclude_report(Report& report, Evidence evidence,
                                     Result<NoiseForecast> forecast) {
  if (!forecast) return forecast.take_error();
  enter_forecast(*forecast, report.rows);
  report.replicas = evidence.replicas = forecast->replicas;
  report.flips = evidence.flips = forecast->flips;
  report.verdict = conclude(evidence);
  return std::nullopt;
}

}  // namespace refute::bisect
