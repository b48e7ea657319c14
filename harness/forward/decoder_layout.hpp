#pragma once

// Where in a model's files each weight is.

#include <array>
#include <string>
#include <vector>

#include "harness/forward/config.hpp"
#include "harness/forward/decoder_weights.hpp"
#include "harness/model/result.hpp"
#include "harness/tensor/model_file.hpp"

namespace refute::forward {

struct DecoderLayout {
  tensor::ModelFile file;
  DecoderConfig config;
  Naming naming = Naming::hf;
  std::string config_path;  ///< of config.json; empty for GGUF
  /// Null where the model has no such weight.
  std::vector<std::array<const tensor::ModelTensor*, kLayerWeightCount>> layers;
  std::array<const tensor::ModelTensor*, kModelWeightCount> whole{};  ///< a tied head twice
  const tensor::ModelTensor* rope_divisors = nullptr;                 ///< rope_freqs.weight

  const tensor::ModelTensor* model(ModelWeight w) const {
    return whole[static_cast<std::size_t>(w)];
  }
  std::vector<const tensor::ModelTensor*> used() const;  ///< each once
  std::vector<std::string> all_files() const;            ///< that decide what it computes
};

/// `config_of` is a model whose config.json speaks for this one where there is none beside it; may
/// be empty.
Result<DecoderLayout> lay_out_decoder(const std::string& path, const std::string& config_of = "");

}  // namespace refute::forward
