#pragma once

// Where two models that should be one, with its weights stored in two ways, are described as two: a
// converter that lost a field makes a model that computes something else without any error.

#include <cstdint>
#include <string>
#include <vector>

#include "harness/forward/decoder_model.hpp"
#include "harness/model/value.hpp"

namespace refute::forward {

/// What still fits the other model where a field differs.
enum class FitsStill : std::uint8_t {
  stages,   ///< everything: the same weights and the same stages, with other numbers
  weights,  ///< the weights have one shape; some stages have another: heads are cut otherwise
  nothing,  ///< the weights have other shapes, or there are others: two different models
};

struct ConfigDifference {
  std::string field;  ///< as config.json calls it: "rope_theta", "rope_scaling.factor"
  Value first, second;
  FitsStill fits = FitsStill::stages;
};

/// Numbers are compared as f32, which is how GGUF stores them, and what bends RoPE by what it makes
/// of the frequencies: GGUF has Llama 3.1's scaling as a tensor of divisors, config.json by its
/// parameters. Not compared is what changes no number of a run that is allowed to happen:
/// the context and the window (refuse_tokens() ends a run there), end tokens, and whether the head
/// is a tensor of its own, which is a matter of the weights.
std::vector<ConfigDifference> config_differences(const DecoderModel& first,
                                                 const DecoderModel& second);

/// "rope_theta is 10000 and 1000000", with whose values they are in between.
std::string to_text(const ConfigDifference& difference, const std::string& first_name,
                    const std::string& second_name);

}  // namespace refute::forward
