#include "harness/forward/decoder_model.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "harness/digest/sha256.hpp"
#include "harness/forward/decoder_layout.hpp"
#include "harness/forward/weight_floats.hpp"
#include "harness/tensor/capture_manifest.hpp"

namespace refute::forward {

using tensor::FloatView;
using tensor::ModelTensor;

struct DecoderModel::State {
  std::string path;
  DecoderLayout layout;
  DecoderOptions options;
  std::vector<double> frequencies;
  bool resident = false;

  std::map<std::uint32_t, LayerWeights> layers;  ///< all that were used, or the last one alone
  std::optional<FloatView> final_norm, head;
};

namespace {

/// Bytes that the f32 copies of all weights take; those that are F32 in the file take none.
std::size_t copied_bytes(const DecoderLayout& layout) {
  std::size_t values = 0;
  for (const ModelTensor* t : layout.used()) {
    if (!floats_in_place(*t)) values += t->count;
  }
  return values * sizeof(float);
}

bool is_interleaved(const DecoderLayout& layout) {
  return layout.naming == Naming::gguf && layout.config.family == Family::llama;
}

/// One weight as f32, in the order that all files share here.
Result<FloatView> weight(const DecoderLayout& layout, const ModelTensor& t, LayerWeight w,
                         unsigned threads) {
  auto view = floats_of(t, threads);
  if (!view || !is_interleaved(layout)) return view;
  const DecoderConfig& c = layout.config;
  const bool query = w == LayerWeight::q || w == LayerWeight::q_bias;
  const bool key = w == LayerWeight::k || w == LayerWeight::k_bias;
  if (!query && !key) return view;
  const std::size_t heads = query ? c.heads : c.kv_heads;
  return FloatView(in_hf_order(view->values(), heads, c.head_dim, t.count / (heads * c.head_dim)));
}

Result<LayerWeights> load_layer(const DecoderLayout& layout, std::uint32_t index,
                                unsigned threads) {
  LayerWeights weights;
  for (std::size_t i = 0; i < kLayerWeightCount; ++i) {
    const ModelTensor* t = layout.layers[index][i];
    if (t == nullptr) continue;
    const auto w = static_cast<LayerWeight>(i);
    auto view = weight(layout, *t, w, threads);
    if (!view) return view.take_error();
    weights.set(w, *std::move(view));
  }
  return weights;
}

}  // namespace

Result<DecoderModel> DecoderModel::open(const std::string& path, const DecoderOptions& options) {
  auto layout = lay_out_decoder(path, options.config_of);
  if (!layout) return layout.take_error();
  auto state = std::make_unique<State>(State{.path = path,
                                             .layout = *std::move(layout),
                                             .options = options,
                                             .frequencies = {},
                                             .layers = {},
                                             .final_norm = {},
                                             .head = {}});
  std::vector<float> divisors;
  if (const ModelTensor* t = state->layout.rope_divisors) {
    divisors.resize(t->count);
    if (const auto error = read_floats(*t, 0, divisors)) return *error;
  }
  state->frequencies = rope_frequencies(state->layout.config, divisors);
  state->resident = copied_bytes(state->layout) <= options.resident_bytes;
  return DecoderModel(std::move(state));
}

DecoderModel::DecoderModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
DecoderModel::DecoderModel(DecoderModel&&) noexcept = default;
DecoderModel& DecoderModel::operator=(DecoderModel&&) noexcept = default;
DecoderModel::~DecoderModel() = default;

const DecoderConfig& DecoderModel::config() const {
  return state_->layout.config;
}
const DecoderLayout& DecoderModel::layout() const {
  return state_->layout;
}
const std::string& DecoderModel::path() const {
  return state_->path;
}
const std::vector<double>& DecoderModel::frequencies() const {
  return state_->frequencies;
}

std::string DecoderModel::name() const {
  const std::filesystem::path path = std::filesystem::path(state_->path).lexically_normal();
  return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

std::string DecoderModel::weight_types() const {
  std::map<std::string, std::size_t> counts;
  for (const ModelTensor* t : state_->layout.used()) {
    if (t->shape.size() == 2) counts[to_string(t->type)] += t->count;
  }
  std::vector<std::pair<std::size_t, std::string>> sorted;
  for (const auto& [name, count] : counts) sorted.emplace_back(count, name);
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::string text;
  for (const auto& [count, name] : sorted) text += (text.empty() ? "" : "+") + name;
  return text;
}

bool DecoderModel::quantised() const {
  return std::ranges::any_of(state_->layout.used(), [](const ModelTensor* t) {
    const auto* plain = std::get_if<tensor::DType>(&t->type);
    return plain == nullptr || bytes_of(*plain) < 2;
  });
}

Result<const LayerWeights*> DecoderModel::layer(std::uint32_t index) const {
  State& s = *state_;
  if (const auto at = s.layers.find(index); at != s.layers.end()) return &at->second;
  auto loaded = load_layer(s.layout, index, s.options.threads);
  if (!loaded) return loaded.take_error();
  if (!s.resident) s.layers.clear();
  return &s.layers.emplace(index, *std::move(loaded)).first->second;
}

Result<std::span<const float>> DecoderModel::final_norm() const {
  State& s = *state_;
  if (!s.final_norm) {
    auto view = floats_of(*s.layout.model(ModelWeight::final_norm), 1);
    if (!view) return view.take_error();
    s.final_norm = *std::move(view);
  }
  return s.final_norm->values();
}

Result<std::span<const float>> DecoderModel::head() const {
  State& s = *state_;
  if (!s.head) {
    auto view = floats_of(*s.layout.model(ModelWeight::lm_head), s.options.threads);
    if (!view) return view.take_error();
    s.head = *std::move(view);
  }
  return s.head->values();
}

std::optional<Error> DecoderModel::embed(std::span<const std::uint32_t> tokens,
                                         std::span<float> out) const {
  const ModelTensor& table = *state_->layout.model(ModelWeight::embedding);
  const std::size_t hidden = config().hidden;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const std::size_t first = std::size_t{tokens[t]} * hidden;
    if (auto error = read_floats(table, first, out.subspan(t * hidden, hidden))) return error;
  }
  return std::nullopt;
}

std::optional<Error> DecoderModel::damaged() const {
  return state_->layout.file.damaged();
}

Result<Digest> DecoderModel::digest() const {
  std::vector<tensor::NamedDigest> files;
  for (const std::string& path : state_->layout.all_files()) {
    const auto digest = sha256_of_file(path);
    if (!digest) return digest.error();
    files.push_back({std::filesystem::path(path).filename().string(), *digest});
  }
  return tensor::model_digest(std::move(files));
}

}  // namespace refute::forward
