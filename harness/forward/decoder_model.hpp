#pragma once

// A decoder on disk, ready to run: its config, and its weights as f32 when they are asked for.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/forward/config.hpp"
#include "harness/forward/decoder_weights.hpp"
#include "harness/model/ids.hpp"
#include "harness/model/result.hpp"
#include "harness/tensor/float_view.hpp"

namespace refute::forward {

struct DecoderLayout;

/// One layer's weights as f32; those that the model does not have are empty.
class LayerWeights {
 public:
  std::span<const float> operator[](LayerWeight w) const {
    const auto& view = views_[static_cast<std::size_t>(w)];
    return view ? view->values() : std::span<const float>();
  }
  void set(LayerWeight w, tensor::FloatView view) {
    views_[static_cast<std::size_t>(w)] = std::move(view);
  }

 private:
  std::array<std::optional<tensor::FloatView>, kLayerWeightCount> views_;
};

struct DecoderOptions {
  /// f32 copies of weights that are kept from one use to the next. A model that takes more is
  /// dequantised layer by layer, each time anew.
  std::size_t resident_bytes = std::size_t{8} << 30;
  unsigned threads = 1;
  /// A model whose config.json serves where none is beside this one: that of a quantised file is
  /// its original's. Empty: none.
  std::string config_of{};
};

class DecoderModel {
 public:
  /// A GGUF file; a folder with config.json and weights as safetensors; or a file of weights, or an
  /// index of them, with config.json beside it. Every weight has to be there in the shape that the
  /// config gives it, and nothing else may be: a weight that is not used would be a model that is
  /// not computed. Errors name the tensor.
  static Result<DecoderModel> open(const std::string& path, const DecoderOptions& options = {});

  DecoderModel(DecoderModel&&) noexcept;
  DecoderModel& operator=(DecoderModel&&) noexcept;
  ~DecoderModel();

  const DecoderConfig& config() const;
  const DecoderLayout& layout() const;  ///< where its weights are (decoder_layout.hpp)
  const std::string& path() const;
  std::string name() const;  ///< the file's or folder's own name
  const std::vector<double>& frequencies() const;

  /// Types of the matrices, most weights first: "Q4_K+Q6_K".
  std::string weight_types() const;
  /// Whether a matrix is stored in less than 16 bits a weight.
  bool quantised() const;

  /// Rows of Llama's Q and K come from GGUF in the order of Hugging Face, so that a stage means the
  /// same wherever its weights come from. Valid until another layer is asked for.
  Result<const LayerWeights*> layer(std::uint32_t index) const;
  Result<std::span<const float>> final_norm() const;
  Result<std::span<const float>> head() const;  ///< [vocab, hidden]
  /// Rows of the embedding table, one per token, each token below vocab.
  std::optional<Error> embed(std::span<const std::uint32_t> tokens, std::span<float> out) const;

  /// Whether a file was cut short since it was opened; what was computed from it means nothing.
  std::optional<Error> damaged() const;

  /// Of all files that decide what it computes (harness/tensor/capture_manifest.hpp,
  /// model_digest). Reads them whole.
  Result<Digest> digest() const;

 private:
  struct State;
  explicit DecoderModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace refute::forward
