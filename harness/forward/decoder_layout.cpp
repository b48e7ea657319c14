#include "harness/forward/decoder_layout.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "harness/json/json.hpp"
#include "harness/tensor/mapped_file.hpp"
#include "harness/tensor/text.hpp"

namespace refute::forward {
namespace {

namespace fs = std::filesystem;
using tensor::ModelTensor;

std::string shape_text(const std::vector<std::size_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// The weights of a file by their names, with what is wrong about the first that does not fit.
class Finder {
 public:
  explicit Finder(DecoderLayout& layout) : layout_(layout) {}

  const ModelTensor* find(const std::string& name, const std::vector<std::size_t>& shape) {
    const ModelTensor* t = layout_.file.find(name);
    if (t == nullptr) {
      fail(fmt::format("has no tensor {}", name), "the file is not complete, or not such a model");
    } else if (t->shape != shape) {
      fail(fmt::format("{} is {}, and by its config {}", name, shape_text(t->shape),
                       shape_text(shape)),
           "the config is another model's, or the file was cut or transposed");
    } else if (!has_values(t->type) || !is_floating(t->type)) {
      fail(fmt::format("{} is of type {}, which has no numbers here", name, to_string(t->type)),
           "");
    }
    return t;
  }

  void fail(const std::string& what, const std::string& hint) {
    if (!error) error = Error{layout_.file.path() + ": " + what, hint};
  }

  std::optional<Error> error;

 private:
  DecoderLayout& layout_;
};

void find_weights(DecoderLayout& l, Finder& finder) {
  const DecoderConfig& c = l.config;
  for (std::uint32_t layer = 0; layer < c.layers && !finder.error; ++layer) {
    auto& weights = l.layers.emplace_back();
    for (std::size_t i = 0; i < kLayerWeightCount; ++i) {
      const auto w = static_cast<LayerWeight>(i);
      if (!has_weight(c, w)) continue;
      weights[i] = finder.find(name_of(l.naming, w, layer), shape_of(c, w));
    }
  }
  for (std::size_t i = 0; i < kModelWeightCount; ++i) {
    auto w = static_cast<ModelWeight>(i);
    if (w == ModelWeight::lm_head && c.tied_head) w = ModelWeight::embedding;
    l.whole[i] = finder.find(name_of(l.naming, w), shape_of(c, w));
  }
  if (l.naming == Naming::gguf && l.file.find("rope_freqs.weight") != nullptr) {
    l.rope_divisors = finder.find("rope_freqs.weight", {c.head_dim / 2});
  }
}

/// A tensor that nothing reads means that the model is not the one that would be computed.
void refuse_unused(const DecoderLayout& l, Finder& finder) {
  const auto used = l.used();
  const std::set<const ModelTensor*> known(used.begin(), used.end());
  const std::string head = name_of(l.naming, ModelWeight::lm_head);
  for (const ModelTensor& t : l.file.tensors()) {
    if (known.contains(&t) || is_derived(t.name) || (l.config.tied_head && t.name == head)) {
      continue;
    }
    finder.fail(fmt::format("has a tensor {} that a dense {} does not use",
                            tensor::printable(t.name), to_string(l.config.family)),
                "this forward pass would not be this model's");
  }
}

bool same_nested(const tensor::NestedScales* a, const tensor::NestedScales* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->map == b->map && std::ranges::equal(a->absmax.bytes, b->absmax.bytes) &&
         a->block == b->block && a->offset == b->offset;
}

bool same_values(const ModelTensor& a, const ModelTensor& b) {
  return a.type == b.type && std::ranges::equal(a.bytes, b.bytes) &&
         std::ranges::equal(a.scales.bytes, b.scales.bytes) &&
         same_nested(a.nested.get(), b.nested.get()) && a.codebook == b.codebook;
}

/// transformers would warn and use the head; files of both kinds are about, so neither is taken.
void refuse_second_head(const DecoderLayout& l, Finder& finder) {
  const ModelTensor* head = l.file.find(name_of(l.naming, ModelWeight::lm_head));
  if (!l.config.tied_head || head == nullptr) return;
  const ModelTensor& table = *l.model(ModelWeight::embedding);
  if (head->shape == table.shape && same_values(*head, table)) return;
  finder.fail(
      fmt::format("tie_word_embeddings is true, and {} is not equal to {}", head->name, table.name),
      "which of the two is the head is not clear: set tie_word_embeddings to false to use the head "
      "as it is stored, which transformers does, or leave the tensor out");
}

/// The relations between dimensions that no single tensor shows.
void check_dimensions(const DecoderConfig& c, Finder& finder) {
  if (c.heads % c.kv_heads != 0) {
    finder.fail(fmt::format("{} query heads cannot share {} key/value heads", c.heads, c.kv_heads),
                "");
  }
  if (c.head_dim == 0 || c.head_dim % 2 != 0) {
    finder.fail(fmt::format("head_dim {} does not divide into pairs to rotate", c.head_dim), "");
  }
  if (c.layers > 10'000) finder.fail(fmt::format("{} layers are too many", c.layers), "");
}

Result<DecoderConfig> read_hf_config(const std::string& path) {
  const auto file = tensor::MappedFile::open(path);
  if (!file) {
    return Error{file.error().what,
                 "weights without GGUF's metadata need the config.json that came with them"};
  }
  if (file->bytes().size() > (16u << 20)) return Error{path + ": is too large", ""};
  const std::string text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  const auto json = json::parse(text);
  if (!json) return Error{path + ": " + json.error().what, json.error().hint};
  auto config = config_from_hf(*json);
  if (!config) return Error{path + ": " + config.error().what, config.error().hint};
  return config;
}

/// What GGUF's metadata leave to the tensors.
void complete_from_tensors(DecoderLayout& l) {
  const ModelTensor* table = l.file.find(name_of(Naming::gguf, ModelWeight::embedding));
  if (table != nullptr) l.config.vocab = table->rows();
  l.config.tied_head = l.file.find(name_of(Naming::gguf, ModelWeight::lm_head)) == nullptr;
  l.config.qkv_bias = l.file.find(name_of(Naming::gguf, LayerWeight::q_bias, 0)) != nullptr;
}

/// GGUF that was made of safetensors tensor by tensor has no word of its own about the model; then
/// the config.json beside it speaks for it, as for safetensors.
bool describes_itself(const tensor::ModelFile& file) {
  return file.format() == tensor::ModelFormat::gguf &&
         find(file.metadata(), "general.architecture") != nullptr;
}

std::string config_beside(const std::string& model) {
  const fs::path folder = fs::is_directory(model) ? fs::path(model) : fs::path(model).parent_path();
  return (folder / "config.json").string();
}

std::optional<Error> read_config(DecoderLayout& l, const std::string& config_of) {
  const std::string& path = l.file.path();
  if (describes_itself(l.file)) {
    l.naming = Naming::gguf;
    auto config = config_from_gguf(l.file.metadata());
    if (!config) return Error{path + ": " + config.error().what, config.error().hint};
    l.config = *std::move(config);
    complete_from_tensors(l);
    return std::nullopt;
  }
  l.config_path = config_beside(path);
  if (!config_of.empty() && !fs::exists(l.config_path)) l.config_path = config_beside(config_of);
  auto config = read_hf_config(l.config_path);
  if (!config) return config.take_error();
  l.config = *std::move(config);
  return std::nullopt;
}

}  // namespace

std::vector<const ModelTensor*> DecoderLayout::used() const {
  std::vector<const ModelTensor*> all(whole.begin(), whole.end());
  for (const auto& layer : layers) all.insert(all.end(), layer.begin(), layer.end());
  all.push_back(rope_divisors);
  std::erase(all, nullptr);
  std::ranges::sort(all, std::less<>());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::vector<std::string> DecoderLayout::all_files() const {
  std::vector<std::string> files = file.files();
  if (!config_path.empty()) files.push_back(config_path);
  return files;
}

Result<DecoderLayout> lay_out_decoder(const std::string& path, const std::string& config_of) {
  auto file = tensor::ModelFile::open(path);
  if (!file) return file.take_error();
  DecoderLayout layout{.file = *std::move(file), .config = {}, .config_path = {}, .layers = {}};
  if (auto error = read_config(layout, config_of)) return *error;
  Finder finder(layout);
  check_dimensions(layout.config, finder);
  if (!finder.error) find_weights(layout, finder);
  if (!finder.error) refuse_unused(layout, finder);
  if (!finder.error) refuse_second_head(layout, finder);
  if (finder.error) return *finder.error;
  return layout;
}

}  // namespace refute::forward
