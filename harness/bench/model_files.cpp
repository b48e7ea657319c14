// Quantising and dequantising a model file from page cache to page cache (bringing it to the disk
// is left out), against reading the same pages with the same threads, and against gguf-py where
// ./x test-peers has put it.

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include <fmt/core.h>
#include <stdlib.h>

#include "harness/bench/benches.hpp"
#include "harness/bench/process.hpp"
#include "harness/instruments/dequantize.hpp"
#include "harness/instruments/quantize.hpp"

namespace refute::bench {
namespace {

namespace fs = std::filesystem;
using instruments::BatchOptions;
using instruments::QuantizeOptions;
using tensor::ModelFile;
using tensor::NewFile;

constexpr std::size_t kRows = 8192, kCols = 4096;  // 128 MiB of f32
constexpr double kBytes = kRows * kCols * 4.0;
constexpr int kRepeats = 3;

unsigned threads() {
  return std::max(1u, std::thread::hardware_concurrency());
}

BatchOptions batch_options() {
  return {.threads = threads(), .progress = {}, .stopped = {}};
}

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().what);
  return *std::move(result);
}

void must(const std::optional<instruments::Failure>& failure) {
  if (failure) throw std::runtime_error(failure->error.what);
}

void must(const std::optional<Error>& error) {
  if (error) throw std::runtime_error(error->what);
}

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "refute-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

/// One matrix, roughly Gaussian: the sum of four bytes of a counter that was stirred.
void write_source(const std::string& path) {
  const auto layout = must(tensor::lay_out_safetensors(
      {{"w", tensor::DType::f32, {kRows, kCols}, kRows * kCols * 4}}, {}));
  auto file = must(NewFile::create(path, {}));
  must(file.reserve(layout.size));
  must(file.write(0, std::as_bytes(std::span(layout.head))));
  std::vector<float> row(kCols);
  std::uint64_t state = 1;
  for (std::size_t r = 0; r < kRows; ++r) {
    for (float& x : row) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const auto stirred = static_cast<std::uint32_t>((state ^ state >> 29) >> 32);
      int sum = -510;
      for (int b = 0; b < 4; ++b) sum += static_cast<int>(stirred >> (8 * b) & 0xFF);
      x = static_cast<float>(sum) * 0x1p-13f;
    }
    must(file.write(layout.offsets[0] + r * kCols * 4, std::as_bytes(std::span(row))));
  }
  must(file.commit());
}

/// Adds up the mapped words, every one once: what memory gives to these threads.
double reading_seconds(const ModelFile& model) {
  const auto values = floats_in_place(model.tensors().at(0));
  if (!values) throw std::runtime_error("the source is not aligned");
  return median_seconds(kRepeats, [&] {
    std::vector<std::jthread> pool;
    std::vector<double> sums(threads());
    const std::size_t part = values->size() / threads();
    for (unsigned t = 0; t < threads(); ++t) {
      pool.emplace_back([&, t] {
        float lanes[64] = {};
        for (std::size_t i = t * part; i + 64 <= (t + 1) * part; i += 64)
          for (std::size_t j = 0; j < 64; ++j) lanes[j] += (*values)[i + j];
        for (const float lane : lanes) sums[t] += static_cast<double>(lane);
      });
    }
    pool.clear();
    volatile double kept = 0;
    for (const double sum : sums) kept = kept + sum;
  });
}

Figure figure(std::string what, double seconds, double reading) {
  return {.what = std::move(what),
          .result =
              fmt::format("{}, {:.2f} GB/s of f32", show_seconds(seconds), kBytes / seconds * 1e-9),
          .ratio = reading / seconds,
          .against = "of the speed of reading"};
}

/// Times `fill`, and leaves one result under its name.
template <class Fill>
double writing_seconds(const std::string& out, Fill fill) {
  const double seconds = median_seconds(kRepeats, [&] {
    auto file = must(NewFile::create(out, {.overwrite = true}));
    must(fill(file));
  });
  auto file = must(NewFile::create(out, {.overwrite = true}));
  must(fill(file));
  must(file.commit());
  return seconds;
}

double quantize_seconds(const ModelFile& model, const QuantizeOptions& options,
                        const std::string& out) {
  const auto plan = must(plan_quantize(model, options));
  return writing_seconds(
      out, [&](NewFile& file) { return quantize(model, plan, batch_options(), file).failure; });
}

double dequantize_seconds(const ModelFile& model, const std::string& out) {
  const auto plan =
      must(plan_dequantize(model, instruments::FloatContainer::safetensors, tensor::DType::f32));
  return writing_seconds(
      out, [&](NewFile& file) { return dequantize(model, plan, batch_options(), file); });
}

/// The same file to the same blocks, as processes: ours and gguf-py's.
Figure against_peer(const std::string& source, const char* format, const std::string& out) {
  const std::string python = REFUTE_SOURCE "/fixtures/cache/peers/bin/python";
  Figure row{.what = fmt::format("refute quantize --format {}", format), .against = "gguf-py"};
  if (!fs::exists(python)) {
    row.result = "gguf-py is not there; ./x test-peers brings it";
    return row;
  }
  const auto ours = time_process(
      {REFUTE_BUILD "/refute", "quantize", source, "--format", format, "-o", out, "--force"},
      kRepeats);
  const auto theirs =
      time_process({python, REFUTE_SOURCE "/fixtures/peers/quantize_peer.py", source, format, out});
  row.result =
      fmt::format("{}, gguf-py {}", show_seconds(ours.front().wall), show_seconds(theirs.wall));
  row.ratio = ours.front().wall / theirs.wall;
  return row;
}

}  // namespace

std::vector<Figure> model_files() {
  const Folder folder;
  const std::string source = folder / "source.safetensors", made = folder / "made",
                    back = folder / "back.safetensors";
  write_source(source);
  const auto model = must(ModelFile::open(source));
  const double reading = reading_seconds(model);
  std::vector<Figure> figures = {
      figure(fmt::format("read and add up, {} threads", threads()), reading, reading),
      figure("copy to another file", dequantize_seconds(model, back), reading)};
  for (const std::string& name : instruments::quantize_target_names()) {
    const QuantizeOptions options{.target = *instruments::quantize_target(name), .keep = {}};
    figures.push_back(
        figure("quantise to " + name, quantize_seconds(model, options, made), reading));
    const auto quantized = must(ModelFile::open(made));
    figures.push_back(figure("dequantise " + name, dequantize_seconds(quantized, back), reading));
  }
  for (const char* format : {"q8_0", "q4_0"}) figures.push_back(against_peer(source, format, made));
  return figures;
}

}  // namespace refute::bench
