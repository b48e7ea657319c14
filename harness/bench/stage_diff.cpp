// The diff of two stage files against a plain read of the same mapped pages, and of two captures,
// which are verified by their digests besides.

#include "harness/instruments/stage_diff.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include <fmt/format.h>

#include "harness/bench/benches.hpp"
#include "harness/bench/took.hpp"
#include "harness/digest/sha256.hpp"

namespace refute::bench {
namespace {

using tensor::AprtFile;

constexpr int kRepeats = 7;
constexpr std::size_t kRow = 4096;

struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / "refute-bench-XXXXXX").string();
  Folder() {
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary folder");
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

void check(const std::optional<Error>& error) {
  if (error) throw std::runtime_error(error->what);
}

/// Uniform in (-1, 1) from a counter, moved a little by `noise`.
std::vector<float> some_values(std::size_t count, float noise) {
  std::vector<float> values(count);
  std::uint32_t state = 1, other = 3;
  const auto draw = [](std::uint32_t& s) {
    return static_cast<float>(static_cast<std::int32_t>(s *= 2891336453u)) * 0x1p-31f;
  };
  for (float& v : values) v = draw(state) + noise * draw(other);
  return values;
}

/// Captures of one stage.
void write_capture(const std::string& folder, float noise, std::size_t count) {
  tensor::CaptureManifest m;
  m.model_sha256 = sha256_of("a model");
  m.layers = 1;
  m.tokens = std::vector<std::uint32_t>(count / kRow, 7);
  auto writer = tensor::CaptureWriter::begin(folder, m);
  if (!writer) throw std::runtime_error(writer.error().what);
  check(writer->add(tensor::Stage::ffn_up, 0, {count / kRow, kRow}, some_values(count, noise)));
  check(writer->finish());
}

std::uint64_t sum_words(std::span<const float> values) {
  std::uint64_t sum = 0;
  const auto* bytes = reinterpret_cast<const char*>(values.data());
  for (std::size_t i = 0; i + 8 <= values.size_bytes(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + i, sizeof word);
    sum += word;
  }
  return sum;
}

/// Every byte of both files, in turns of pieces and on as many threads as the diff has.
std::uint64_t read_and_sum(const std::string& a, const std::string& b, unsigned threads) {
  const auto x = AprtFile::open(a), y = AprtFile::open(b);
  if (!x || !y) throw std::runtime_error("cannot open what was written");
  constexpr std::size_t kPiece = 1 << 16;
  const std::size_t pieces = x->values().size() / kPiece;
  std::vector<std::uint64_t> sums(threads);
  const auto work = [&](unsigned t) {
    for (std::size_t i = t; i < pieces; i += threads) {
      for (const AprtFile* file : {&*x, &*y})
        sums[t] += sum_words(file->values().subspan(i * kPiece, kPiece));
    }
  };
  std::vector<std::jthread> others;
  for (unsigned t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  others.clear();
  std::uint64_t total = 0;
  for (const std::uint64_t sum : sums) total += sum;
  return total;
}

std::string rate(double bytes, const Took& took) {
  return fmt::format("{}, {:.1f} GB/s", show_seconds(took.wall), bytes / took.wall * 1e-9);
}

}  // namespace

std::vector<Figure> stage_diff() {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t mib = size_mib(), count = (mib << 20) / 4 / (1 << 16) * (1 << 16);
  const Folder folder;
  write_capture(folder.path + "/a", 0, count);
  write_capture(folder.path + "/b", 1e-3f, count);
  const std::string a = folder.path + "/a/layer-0/ffn_up.bin",
                    b = folder.path + "/b/layer-0/ffn_up.bin";
  std::uint64_t sink = 0;
  Took read, files, captures;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    keep_best(read, [&] { sink += read_and_sum(a, b, threads); });
    keep_best(files, [&] {
      const auto diff = instruments::diff_stage_files(a, b, {.threads = threads});
      if (!diff || diff->values.count != count) throw std::runtime_error("nothing was compared");
    });
    if (repeat > 2) continue;
    keep_best(captures, [&] {
      const auto diff =
          instruments::diff_captures(folder.path + "/a", folder.path + "/b", {.threads = threads});
      if (!diff || diff->compared() != 1 || diff->has_findings())
        throw std::runtime_error("the captures were not compared");
    });
  }
  const double bytes = 8.0 * static_cast<double>(count);
  const Figure with_digests = {.what = "diff of two captures of them, digests and all",
                               .result = rate(bytes, captures),
                               .ratio = read.processor / captures.processor,
                               .against = "read and sum"};
  return {{.what = fmt::format("read and sum two stages of {} MiB", mib),
           .result = rate(bytes, read) + (sink == 1 ? " " : "")},
          {.what = fmt::format("diff of them, {} threads", threads),
           .result = rate(bytes, files),
           .ratio = read.processor / files.processor,
           .against = "read and sum",
           .goal = 0.7,
           .at_least = true},
          with_digests};
}

}  // namespace refute::bench
