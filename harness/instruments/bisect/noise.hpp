#pragma once

// What rounding and the format of the weights make of a run when nothing is wrong: the reference
// again, with noise of the predicted size added at every stage.

#include <vector>

#include "harness/instruments/bisect/end.hpp"
#include "harness/instruments/bisect/stage_row.hpp"

namespace refute::bisect {

struct NoiseForecast {
  struct At {
    StageAt at;
    double relative;  ///< largest ‖replica - reference‖₂ / ‖reference‖₂ of all replicas and steps
    double cosine = 1;  ///< smallest
  };
  std::vector<At> stages;
  std::size_t replicas = 0;
  std::size_t flips = 0;  ///< replicas that decide otherwise than the reference
};

/// Noise is normal, of the deviation that each stage's bound stands for, and for weights that were
/// quantised from `original` (null: they were not) of the format's own error of each product.
/// Replica i is the same on every machine.
Result<NoiseForecast> forecast_noise(const DecoderModel& model, const DecoderModel* original,
                                     const Arithmetic& arithmetic, const Steps& steps,
                                     std::size_t replicas, unsigned threads);

/// Runs go side by side, each with activations of its own: a bisection's four, and then the
/// replicas with a clean one.
double memory_of_one_run(std::size_t replicas);

/// Both forecasts of a bisection: with the noise of the weights, where they were quantised, and
/// with that of rounding alone.
struct NoiseForecasts {
  NoiseForecast total, rounding;
};
Result<NoiseForecasts> forecast_both(const DecoderModel& model, const DecoderModel* original,
                                     const Arithmetic& arithmetic, const Steps& steps,
                                     std::size_t replicas, unsigned threads);

/// Puts what is predicted of a stage into its row.
void enter_forecasts(const NoiseForecasts& forecasts, std::vector<StageRow>& rows);

}  // namespace refute::bisect
