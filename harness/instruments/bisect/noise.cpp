#include "harness/instruments/bisect/noise.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "harness/instruments/bisect/walk.hpp"
#include "harness/instruments/bisect/weight_change.hpp"

namespace refute::bisect {
namespace {

/// From the engine's raw bits (Box and Muller, 1958), which every library gives alike.
double normal(std::mt19937_64& bits) {
  const double u = (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53;
  const double v = (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

class Replica {
 public:
  Replica(const DecoderModel& model, const DecoderModel* original, const Arithmetic& arithmetic,
          std::size_t capacity, std::uint64_t seed, unsigned threads)
      : model_(model),
        original_(original),
        arithmetic_(arithmetic),
        threads_(threads),
        pass_(oracle_end(model, threads), capacity),
        bits_(seed) {}

  void begin(std::span<const std::uint32_t> tokens) { pass_.begin(tokens); }

  std::optional<Error> run(StageAt at) {
    if (auto error = pass_.run(at)) return error;
    const auto truth =
        stage_truth(at, model_, AttentionKernel::naive, arithmetic_, pass_.inputs(at), threads_);
    if (!truth) return truth.error();
    const auto band = original_ ? weight_band(at, *original_, model_) : std::nullopt;
    const auto& sizes = truth->terms.empty() ? truth->value : truth->terms;
    std::vector<float>& out = pass_.activations().slot(at.stage);
    for (std::size_t i = 0; i < out.size(); ++i) {
      // An output's own rounding is uniform, on average half of its bound; sums are six deviations.
      const double rounding =
          std::min(truth->bound[i], unit_roundoff(arithmetic_.storage) * std::abs(truth->value[i]));
      const double sums = std::max(0.0, truth->bound[i] - rounding) / 6;
      const double weights = band ? band->high * std::abs(sizes[i]) : 0;
      const double deviation = std::hypot(rounding / 2, sums, weights);
      if (deviation > 0) out[i] = static_cast<float>(out[i] + deviation * normal(bits_));
    }
    return std::nullopt;
  }

  std::span<const float> output(Stage stage) { return pass_.output(stage); }

 private:
  const DecoderModel& model_;
  const DecoderModel* original_;
  Arithmetic arithmetic_;
  unsigned threads_;
  Pass pass_;
  std::mt19937_64 bits_;
};

}  // namespace

Result<NoiseForecast> forecast_noise(const DecoderModel& model, const DecoderModel* original,
                                     const Arithmetic& arithmetic, const Steps& steps,
                                     std::size_t replicas, unsigned threads) {
  NoiseForecast forecast;
  forecast.replicas = replicas;
  for (const StageAt at : forward_order(model.config(), AttentionKernel::naive)) {
    forecast.stages.push_back({at, 0, 1});
  }
  if (replicas == 0) return forecast;
  const std::size_t capacity = total_tokens(steps);
  Pass clean(oracle_end(model, threads), capacity);
  std::vector<Replica> noisy;
  for (std::size_t r = 0; r < replicas; ++r) {
    noisy.emplace_back(model, original, arithmetic, capacity, r + 1, threads);
  }
  for (const auto& step : steps) {
    clean.begin(step);
    for (Replica& replica : noisy) replica.begin(step);
    for (NoiseForecast::At& stage : forecast.stages) {
      if (auto error = clean.run(stage.at)) return *error;
      for (Replica& replica : noisy) {
        if (auto error = replica.run(stage.at)) return *error;
        const Distance d =
            distance(replica.output(stage.at.stage), clean.output(stage.at.stage), 1);
        stage.relative = std::max(stage.relative, d.relative);
        stage.cosine = std::min(stage.cosine, d.cosine);
      }
    }
  }
  const Decision right = decision_of(clean.output(Stage::lm_head));
  for (Replica& replica : noisy) {
    const Decision d = decision_of(replica.output(Stage::lm_head));
    if (!right.decided() || !d.decided() || right.token() != d.token()) ++forecast.flips;
  }
  return forecast;
}

double memory_of_one_run(std::size_t replicas) {
  return forward::physical_memory_bytes() /
         static_cast<double>(std::max<std::size_t>(4, replicas + 1));
}

Result<NoiseForecasts> forecast_both(const DecoderModel& model, const DecoderModel* original,
                                     const Arithmetic& arithmetic, const Steps& steps,
                                     std::size_t replicas, unsigned threads) {
  auto rounding = forecast_noise(model, nullptr, arithmetic, steps, replicas, threads);
  if (!rounding) return rounding.take_error();
  if (original == nullptr) return NoiseForecasts{*rounding, *rounding};
  auto total = forecast_noise(model, original, arithmetic, steps, replicas, threads);
  if (!total) return total.take_error();
  return NoiseForecasts{*std::move(total), *std::move(rounding)};
}

void enter_forecasts(const NoiseForecasts& forecasts, std::vector<StageRow>& rows) {
  for (StageRow& row : rows) {
    const auto& total = forecasts.total.stages;
    const auto at = std::ranges::find(total, row.at, &NoiseForecast::At::at);
    if (at == total.end()) continue;
    row.predicted_total = at->relative;
    row.predicted_cosine = at->cosine;
    // Both are of the same stages.
    row.predicted_rounding =
        forecasts.rounding.stages[static_cast<std::size_t>(at - total.begin())].relative;
  }
}

}  // namespace refute::bisect
