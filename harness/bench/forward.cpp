// The fast path's forward pass on a model of 100 million random weights, against the time that its
// matrix products alone take in OpenBLAS on the same weights.

#include "harness/forward/forward.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/core.h>
#include <stdlib.h>

#include "harness/bench/benches.hpp"
#include "harness/tensor/capture.hpp"

namespace refute::bench {
namespace {

namespace fs = std::filesystem;
using forward::AttentionKernel;
using forward::DecoderModel;
using forward::ExecutionPath;
using forward::LayerWeight;
using forward::PathName;
using Shape = std::vector<std::size_t>;

constexpr std::size_t kTokens = 128;
constexpr const char* kConfig =
    R"({"model_type": "llama", "num_hidden_layers": 12, "hidden_size": 768,
"intermediate_size": 2048, "num_attention_heads": 12, "num_key_value_heads": 4, "head_dim": 64,
"vocab_size": 32000, "rms_norm_eps": 1e-5, "tie_word_embeddings": true})";

forward::DecoderConfig config() {
  forward::DecoderConfig c;
  c.layers = 12;
  c.hidden = 768;
  c.ffn = 2048;
  c.heads = 12;
  c.kv_heads = 4;
  c.head_dim = 64;
  c.vocab = 32000;
  c.tied_head = true;
  return c;
}

std::vector<std::pair<std::string, Shape>> tensors() {
  const forward::DecoderConfig c = config();
  std::vector<std::pair<std::string, Shape>> all;
  for (const auto w : {forward::ModelWeight::embedding, forward::ModelWeight::final_norm}) {
    all.emplace_back(name_of(forward::Naming::hf, w), shape_of(c, w));
  }
  for (std::uint32_t layer = 0; layer < c.layers; ++layer) {
    for (std::size_t i = 0; i < forward::kLayerWeightCount; ++i) {
      const auto w = static_cast<LayerWeight>(i);
      if (has_weight(c, w)) {
        all.emplace_back(name_of(forward::Naming::hf, w, layer), shape_of(c, w));
      }
    }
  }
  return all;
}

std::size_t count(const Shape& shape) {
  std::size_t n = 1;
  for (const std::size_t extent : shape) n *= extent;
  return n;
}

std::string list(const Shape& shape) {
  std::string text;
  for (const std::size_t extent : shape) {
    if (!text.empty()) text += ',';
    text += std::to_string(extent);
  }
  return text;
}

/// A folder with the model, removed at the end.
class ModelFolder {
 public:
  ModelFolder() {
    std::string name = (fs::temp_directory_path() / "refute-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
    std::ofstream(path_ + "/config.json") << kConfig;
    write_weights();
  }
  ~ModelFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  void write_weights() const {
    std::string header = "{";
    std::size_t at = 0;
    for (const auto& [name, shape] : tensors()) {
      header += fmt::format(R"({}"{}":{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})",
                            at == 0 ? "" : ",", name, list(shape), at, at + 4 * count(shape));
      at += 4 * count(shape);
    }
    header += '}';
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const std::uint64_t length = header.size();
    std::ofstream file(path_ + "/model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), 8) << header;
    std::uint32_t state = 1;
    std::vector<float> values;
    for (const auto& [name, shape] : tensors()) {
      values.resize(count(shape));
      for (float& x : values) {
        x = static_cast<float>(static_cast<std::int32_t>(state *= 2891336453u)) * 0x1p-36f;
      }
      file.write(reinterpret_cast<const char*>(values.data()),
                 static_cast<std::streamsize>(4 * values.size()));
    }
    if (!file.flush()) throw std::runtime_error("the model could not be written");
  }

  std::string path_;
};

/// The matrix products of one prefill, and nothing else.
void products_alone(const DecoderModel& model, std::span<const float> x, std::span<float> y) {
  const forward::DecoderConfig& c = model.config();
  for (std::uint32_t layer = 0; layer < c.layers; ++layer) {
    const auto weights = model.layer(layer);
    for (const LayerWeight w : {LayerWeight::q, LayerWeight::k, LayerWeight::v, LayerWeight::o,
                                LayerWeight::gate, LayerWeight::up, LayerWeight::down}) {
      const Shape shape = shape_of(c, w);
      const kernels::LinearShape s = {kTokens, shape[1], shape[0], shape[0]};
      kernels::cpu_fast::linear(s, x.first(kTokens * shape[1]), (**weights)[w],
                                y.first(kTokens * shape[0]), 1);
    }
  }
  kernels::cpu_fast::linear({1, c.hidden, c.vocab, c.vocab}, x.first(c.hidden), *model.head(),
                            y.first(c.vocab), 1);
}

std::vector<std::uint32_t> prompt() {
  std::vector<std::uint32_t> tokens(kTokens);
  for (std::size_t i = 0; i < kTokens; ++i) tokens[i] = static_cast<std::uint32_t>(i * 97 % 32000);
  return tokens;
}

void prefill(const DecoderModel& model, const ExecutionPath& path) {
  forward::Forward forward(model, path, kTokens);
  if (const auto error = forward.step(prompt())) throw std::runtime_error(error->what);
}

/// The shortest of several runs of each, taken in turns: what else runs on the machine then falls
/// on all alike, and on the shortest least.
std::vector<double> shortest_in_turns(const std::vector<std::function<void()>>& bodies) {
  std::vector<double> shortest(bodies.size(), 1e300);
  for (int round = 0; round < 9; ++round) {
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      const auto begin = std::chrono::steady_clock::now();
      bodies[i]();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      if (round > 0) shortest[i] = std::min(shortest[i], took.count());
    }
  }
  return shortest;
}

Figure against_products(std::string what, double seconds, double products,
                        std::optional<double> goal) {
  return {.what = std::move(what),
          .result = fmt::format("{}, {:.0f} tokens/s", show_seconds(seconds),
                                static_cast<double>(kTokens) / seconds),
          .ratio = seconds / products,
          .against = "OpenBLAS's products alone",
          .goal = goal};
}

/// A stage of 64 MiB as a file with its digest, against the same bytes in a plain file.
Figure trace_writing(const std::string& folder) {
  const std::vector<float> values(std::size_t{16} << 20, 1.5f);
  const double plain = median_seconds(5, [&] {
    std::ofstream file(folder + "/plain.bin", std::ios::binary);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(4 * values.size()));
    if (!file.flush()) throw std::runtime_error("cannot write");
  });
  const double stage = median_seconds(5, [&] {
    auto writer = tensor::CaptureWriter::begin(folder + "/capture", {});
    if (!writer ||
        writer->add(tensor::Stage::lm_head, tensor::kWholeModel, {values.size()}, values))
      throw std::runtime_error("cannot write");
  });
  return {.what = "write a stage of 64 MiB",
          .result = fmt::format("{}, {:.2f} GB/s", show_seconds(stage),
                                static_cast<double>(4 * values.size()) / stage * 1e-9),
          .ratio = stage / plain,
          .against = "a plain file of the same bytes"};
}

}  // namespace

std::vector<Figure> forward_pass() {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  const ModelFolder folder;
  std::vector<Figure> figures = {trace_writing(folder.path())};
  const auto model = DecoderModel::open(folder.path(), {.threads = threads});
  if (!model) throw std::runtime_error(model.error().what);
  if (!kernels::openblas().found) {
    figures.push_back({.what = "prefill on fast", .result = kernels::openblas().why});
    return figures;
  }
  kernels::set_openblas_threads(threads);
  std::vector<float> x(kTokens * 2048, 0.01f), y(kTokens * 2048);
  const ExecutionPath flash2 = {PathName::fast, AttentionKernel::flash2, threads};
  const ExecutionPath naive = {PathName::fast, AttentionKernel::naive, threads};
  const std::vector<double> seconds =
      shortest_in_turns({[&] { products_alone(*model, x, y); }, [&] { prefill(*model, flash2); },
                         [&] { prefill(*model, naive); }});
  const std::string what = fmt::format("prefill of {} tokens on fast, ", kTokens);
  figures.push_back(against_products(what + "flash2", seconds[1], seconds[0], 1.4));
  figures.push_back(against_products(what + "naive", seconds[2], seconds[0], {}));
  return figures;
}

}  // namespace refute::bench
