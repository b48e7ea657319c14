#pragma once

// What kind of decoder a model is: the dense Llama, Qwen2 and Qwen3 families, from config.json as
// Hugging Face writes it or from GGUF's metadata. What such a file asks for and this forward pass
// does not compute is refused by name, because numbers of another model are worse than none.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/result.hpp"
#include "harness/model/value.hpp"
#include "harness/tensor/metadata.hpp"

namespace refute::forward {

enum class Family : std::uint8_t { llama, qwen2, qwen3 };
inline constexpr std::array<std::string_view, 3> kFamilyNames = {"llama", "qwen2", "qwen3"};
constexpr std::string_view to_string(Family f) {
  return kFamilyNames[static_cast<std::size_t>(f)];
}

/// How positions become angles.
enum class RopeScaling : std::uint8_t {
  none,
  linear,  ///< every frequency divided by `factor`
  llama3,  ///< low frequencies divided by `factor`, high ones kept, between them a ramp
};

struct RopeConfig {
  double theta = 10000;
  RopeScaling scaling = RopeScaling::none;
  double factor = 1, low_frequency_factor = 1, high_frequency_factor = 4;
  double original_context = 8192;
  bool operator==(const RopeConfig&) const = default;
};

struct DecoderConfig {
  Family family = Family::llama;
  std::uint32_t layers = 0;
  std::size_t hidden = 0, ffn = 0, vocab = 0;
  std::size_t heads = 0, kv_heads = 0, head_dim = 0;
  std::size_t context = 0;                    ///< most positions; 0: not said
  std::optional<std::size_t> sliding_window;  ///< beyond it attention is another one
  double rms_epsilon = 1e-6;
  RopeConfig rope;
  bool tied_head = false;  ///< lm_head is the embedding table
  bool qkv_bias = false;
  std::vector<std::uint32_t> end_tokens;  ///< after which decoding stops

  bool qk_norm() const { return family == Family::qwen3; }
  std::size_t q_width() const { return heads * head_dim; }
  std::size_t kv_width() const { return kv_heads * head_dim; }
  std::size_t qkv_width() const { return q_width() + 2 * kv_width(); }
  bool operator==(const DecoderConfig&) const = default;
};

/// From the content of config.json, whose name its errors leave to the caller. tied_head and vocab
/// are the file's words; qkv_bias is true for Qwen2 whatever it says, as in the models' code.
Result<DecoderConfig> config_from_hf(const Value& json);

/// From GGUF's metadata. vocab, tied_head and qkv_bias are not there: they follow from the tensors.
Result<DecoderConfig> config_from_gguf(const tensor::Metadata& metadata);

/// Radians per position of each pair of a head, head_dim / 2 of them. `divisors` are GGUF's
/// rope_freqs.weight, one per pair, or empty.
std::vector<double> rope_frequencies(const DecoderConfig& config,
                                     const std::vector<float>& divisors);

}  // namespace refute::forward
