#include <cassert>
#include <cmath>
#include <numbers>

#include "harness/forward/config.hpp"

namespace refute::forward {
namespace {

/// Llama 3.1's scaling: wavelengths longer than the original context allows are stretched, short
/// ones are kept, and between the two it is a ramp.
double llama3_scaled(double frequency, const RopeConfig& rope) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const double turns = rope.original_context / wavelength;
  if (turns < rope.low_frequency_factor) return frequency / rope.factor;
  if (turns > rope.high_frequency_factor) return frequency;
  const double ramp = (turns - rope.low_frequency_factor) /
                      (rope.high_frequency_factor - rope.low_frequency_factor);
  return (1 - ramp) * frequency / rope.factor + ramp * frequency;
}

}  // namespace

std::vector<double> rope_frequencies(const DecoderConfig& config,
                                     const std::vector<float>& divisors) {
  const std::size_t half = config.head_dim / 2;
  assert(divisors.empty() || divisors.size() == half);
  std::vector<double> frequencies(half);
  for (std::size_t i = 0; i < half; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(config.head_dim);
    double frequency = std::pow(config.rope.theta, -exponent);
    switch (config.rope.scaling) {
      case RopeScaling::none:
        break;
      case RopeScaling::linear:
        frequency /= config.rope.factor;
        break;
      case RopeScaling::llama3:
        frequency = llama3_scaled(frequency, config.rope);
        break;
    }
    frequencies[i] = divisors.empty() ? frequency : frequency / divisors[i];
  }
  return frequencies;
}

}  // namespace refute::forward
