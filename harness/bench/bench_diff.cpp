// The diff of two models against a plain read of the same mapped pages, and the in-memory form
// against the source's size. Files are made in the temporary folder, once per type, and read from
// the page cache.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/bench/benches.hpp"
#include "harness/bench/took.hpp"
#include "harness/instruments/quant_diff_as.hpp"
#include "harness/instruments/quantize.hpp"
#include "kernels/ggml.hpp"
#include "kernels/simd.hpp"

namespace refute::bench {
namespace {

using tensor::ModelFile;

constexpr int kRepeats = 7;
constexpr std::size_t kCols = 4096;
constexpr std::size_t kTensors = 16;

unsigned threads() {
  return std::max(1u, std::thread::hardware_concurrency());
}

/// A folder that is gone when the bench is.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("refute-bench-{}", ::getpid());
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

struct Type {
  const char* name;
  std::size_t bytes;
};

/// Uniform values of (-1, 1) in a type's own bits, from a counter; `noise` moves each a little.
std::string some_rows(const Type& type, std::size_t count, std::uint32_t seed, float noise) {
  std::vector<float> x(count);
  std::uint32_t state = 2 * seed + 1;
  const auto draw = [&] {
    return static_cast<float>(static_cast<std::int32_t>(state *= 2891336453u)) * 0x1p-31f;
  };
  for (float& v : x) v = draw();
  if (noise != 0) {
    for (float& v : x) v += noise * draw();
  }
  std::string bytes(count * type.bytes, '\0');
  if (type.bytes == 4) {
    std::memcpy(bytes.data(), x.data(), bytes.size());
    return bytes;
  }
  const auto format =
      std::string_view(type.name) == "F16" ? kernels::GgmlFormat::f16 : kernels::GgmlFormat::bf16;
  (void)kernels::cpu_simd::ggml_quantize(
      format, x, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  return bytes;
}

/// A safetensors file of `mib` MiB in kTensors matrices; its content repeats every few rows.
std::string write_model(const Folder& folder, const char* stem, const Type& type, std::size_t mib,
                        float noise) {
  const std::size_t rows = (mib << 20) / kTensors / kCols / type.bytes;
  const std::size_t bytes = rows * kCols * type.bytes;
  std::string header = "{";
  for (std::size_t t = 0; t < kTensors; ++t) {
    header += fmt::format(
        "{}\"model.layers.{}.mlp.down_proj.weight\":{{\"dtype\":\"{}\",\"shape\":[{},{}],"
        "\"data_offsets\":[{},{}]}}",
        t == 0 ? "" : ",", t, type.name, rows, kCols, t * bytes, (t + 1) * bytes);
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string path = folder.path / fmt::format("{}-{}.safetensors", stem, type.name);
  std::ofstream file(path, std::ios::binary);
  const std::uint64_t length = header.size();
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << header;
  constexpr std::size_t kPeriod = 64;
  const std::string piece = some_rows(type, kPeriod * kCols, 7, noise);
  for (std::size_t at = 0; at < kTensors * rows; at += kPeriod) {
    const std::size_t n = std::min(kPeriod, kTensors * rows - at);
    file.write(piece.data(), static_cast<std::streamsize>(n * kCols * type.bytes));
  }
  file.close();
  if (!file) throw std::runtime_error(path + ": cannot be written; is the temporary folder full?");
  return path;
}

ModelFile open(const std::string& path) {
  auto model = ModelFile::open(path);
  if (!model) throw std::runtime_error(model.error().what);
  return *std::move(model);
}

std::uint64_t sum_words(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    sum += word;
  }
  return sum;
}

/// Every byte of both models, in the pieces and in the order in which the diff reads them.
std::uint64_t read_and_sum(const ModelFile& a, const ModelFile& b) {
  constexpr std::size_t kPiece = 1 << 17;
  std::atomic<std::size_t> next = 0;
  std::atomic<std::uint64_t> total = 0;
  const std::size_t pieces = (a.tensors()[0].bytes.size() + kPiece - 1) / kPiece;
  const auto work = [&] {
    std::uint64_t sum = 0;
    for (std::size_t at = next++; at < pieces * kTensors; at = next++) {
      for (const ModelFile* model : {&a, &b}) {
        const auto bytes = model->tensors()[at / pieces].bytes;
        const std::size_t from = at % pieces * kPiece;
        sum += sum_words(bytes.subspan(from, std::min(kPiece, bytes.size() - from)));
      }
    }
    total += sum;
  };
  {
    std::vector<std::jthread> pool;
    for (unsigned t = 1; t < threads(); ++t) pool.emplace_back(work);
    work();
  }
  return total;
}

std::string rate(double bytes, const Took& took) {
  return fmt::format("{}, {:.1f} GB/s; {} of processor", show_seconds(took.wall),
                     bytes / took.wall * 1e-9, show_seconds(took.processor));
}

/// Both are measured on maps made anew, in turns, so that a neighbour's load hits both.
void compare_with_reading(std::vector<Figure>& figures, const Folder& folder, const Type& type,
                          std::size_t mib) {
  const std::string a = write_model(folder, "a", type, mib, 0);
  const std::string b = write_model(folder, "b", type, mib, 1e-3f);
  std::uint64_t sink = 0;
  Took read, diff;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    keep_best(read, [&] {
      const ModelFile x = open(a), y = open(b);
      sink += read_and_sum(x, y);
    });
    keep_best(diff, [&] {
      const ModelFile x = open(a), y = open(b);
      const auto report = instruments::diff_models(x, y, {.threads = threads()});
      if (!report || report->common != kTensors)
        throw std::runtime_error("the diff did not compare everything");
    });
  }
  const double bytes = 2.0 * static_cast<double>(mib << 20);
  figures.push_back({.what = fmt::format("read and sum two {} files of {} MiB", type.name, mib),
                     .result = rate(bytes, read) + (sink == 1 ? " " : "")});
  figures.push_back({.what = fmt::format("diff of them, {} threads", threads()),
                     .result = rate(bytes, diff),
                     .ratio = read.processor / diff.processor,
                     .against = "read and sum",
                     .goal = 0.85,
                     .at_least = true});
  std::filesystem::remove(a);
  std::filesystem::remove(b);
}

void in_memory(std::vector<Figure>& figures, const ModelFile& model, std::size_t mib,
               kernels::GgmlFormat format) {
  constexpr double kGoal = 8e9;
  const double bytes = static_cast<double>(mib << 20);
  Took best;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    keep_best(best, [&] {
      const auto report = instruments::diff_in_memory(model, {.target = format, .keep = {}},
                                                      {.threads = threads()});
      if (!report || report->common != kTensors)
        throw std::runtime_error("not everything was quantised");
    });
  }
  figures.push_back({.what = fmt::format("--as {}, {} MiB of F32, {} threads",
                                         kernels::ggml_info(format).name, mib, threads()),
                     .result = rate(bytes, best),
                     .ratio = bytes * threads() / best.processor / kGoal,
                     .against = "8 GB/s of f32",
                     .goal = 1,
                     .at_least = true});
}

/// The reference as F32 and what quantising it to a file made of it. Codes are checked one by one,
/// so there is no goal but to stay in sight of reading.
void quantised(std::vector<Figure>& figures, const ModelFile& model, std::size_t mib,
               const Folder& folder, const char* name) {
  const std::string path = folder.path / "quantised";
  const auto plan = instruments::plan_quantize(
      model, {.target = *instruments::quantize_target(name), .keep = {}});
  auto file = tensor::NewFile::create(path, {.overwrite = true});
  if (!plan || !file ||
      instruments::quantize(model, *plan, {.threads = threads(), .progress = {}, .stopped = {}},
                            *file)
          .failure ||
      file->commit())
    throw std::runtime_error(path + ": cannot be written");
  const ModelFile other = open(path);
  Took best;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    keep_best(best, [&] {
      const auto report = instruments::diff_models(model, other, {.threads = threads()});
      if (!report || report->common != kTensors)
        throw std::runtime_error("the diff did not compare everything");
    });
  }
  figures.push_back({.what = fmt::format("diff of {} MiB of F32 with its {}", mib, name),
                     .result = rate(static_cast<double>(mib << 20), best)});
  std::filesystem::remove(path);
}

}  // namespace

std::vector<Figure> quant_diff() {
  constexpr Type kTypes[] = {{"F16", 2}, {"BF16", 2}, {"F32", 4}};
  const std::size_t mib = size_mib();
  const Folder folder;
  std::vector<Figure> figures;
  for (const Type& type : kTypes) compare_with_reading(figures, folder, type, mib);
  const std::string source = write_model(folder, "source", kTypes[2], mib, 0);
  const ModelFile model = open(source);
  for (const auto format : {kernels::GgmlFormat::q8_0, kernels::GgmlFormat::q4_0})
    in_memory(figures, model, mib, format);
  for (const char* name : {"fp8-e4m3", "nf4", "q8_0", "q4_k"})
    quantised(figures, model, mib, folder, name);
  return figures;
}

}  // namespace refute::bench
