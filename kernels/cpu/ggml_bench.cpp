// How fast the block formats are, per thread, as GB/s of f32 source (quantise, error) or of f32
// result (dequantise), beside memcpy and a plain sum over the same floats in the same run.
//   ggml_bench [--quick]
// Sizes: 64 KiB pieces of one 64 MiB buffer, the way the callers go through a file.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include <time.h>

#include "kernels/ggml.hpp"
#include "kernels/simd.hpp"

using namespace refute::kernels;

namespace {

constexpr std::size_t kPiece = 16384;

/// Seconds of this thread's own processor time: a neighbour's load must not count as ours.
double thread_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Best of several runs, in GB/s; each run goes over all of `count` floats in pieces.
double gigabytes_per_second(std::size_t count, int runs,
                            const std::function<void(std::size_t at)>& piece) {
  double best = 0.0;
  for (int r = 0; r < runs; ++r) {
    const double start = thread_seconds();
    for (std::size_t at = 0; at < count; at += kPiece) piece(at);
    const double took = thread_seconds() - start;
    best = std::max(best, static_cast<double>(count * sizeof(float)) / took * 1e-9);
  }
  return best;
}

std::vector<float> gaussian(std::size_t count) {
  std::mt19937_64 g(7);
  std::normal_distribution<float> normal;
  std::vector<float> x(count);
  for (std::size_t i = 0; i < std::min<std::size_t>(count, 1 << 20); ++i) x[i] = normal(g);
  for (std::size_t i = 1 << 20; i < count; ++i) x[i] = x[i - (1 << 20)];
  return x;
}

struct Kernels {
  decltype(&cpu_simd::ggml_quantize) quantize;
  decltype(&cpu_simd::ggml_dequantize) dequantize;
  decltype(&cpu_simd::ggml_quantize_error) error;
};

struct Speeds {
  double quantize, dequantize, error;
};

Speeds measure(const Kernels& k, GgmlFormat format, const std::vector<float>& x, int runs) {
  const std::size_t piece_bytes = *ggml_bytes(format, kPiece);
  std::vector<std::uint8_t> blocks(x.size() / kPiece * piece_bytes);
  std::vector<float> back(x.size());
  std::vector<GgmlRunError> errors(kPiece / 4096);
  const auto bytes_at = [&](std::size_t at) {
    return std::span(blocks).subspan(at / kPiece * piece_bytes, piece_bytes);
  };
  const auto floats_at = [](auto& v, std::size_t at) { return std::span(v).subspan(at, kPiece); };
  Speeds s;
  s.quantize = gigabytes_per_second(
      x.size(), runs, [&](std::size_t at) { k.quantize(format, floats_at(x, at), bytes_at(at)); });
  s.dequantize = gigabytes_per_second(x.size(), runs, [&](std::size_t at) {
    k.dequantize(format, bytes_at(at), floats_at(back, at));
  });
  s.error = gigabytes_per_second(
      x.size(), runs, [&](std::size_t at) { k.error(format, floats_at(x, at), 4096, errors); });
  return s;
}

/// The error pass with as many threads, each on its own part of the buffer.
double threaded_error(GgmlFormat format, const std::vector<float>& x, unsigned threads) {
  double best = 0.0;
  for (int r = 0; r < 5; ++r) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::jthread> pool;
    const std::size_t part = x.size() / threads / kPiece * kPiece;
    for (unsigned t = 0; t < threads; ++t) {
      pool.emplace_back([&, t] {
        std::vector<GgmlRunError> errors(part / 4096);
        cpu_simd::ggml_quantize_error(format, std::span(x).subspan(t * part, part), 4096, errors);
      });
    }
    pool.clear();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best =
        std::max(best, static_cast<double>(threads * part * sizeof(float)) / took.count() * 1e-9);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  const std::vector<float> x = gaussian(quick ? 1 << 20 : 1 << 24);
  std::vector<float> copy(x.size());
  const double memory = gigabytes_per_second(
      x.size(), 5, [&](std::size_t at) { std::memcpy(&copy[at], &x[at], kPiece * sizeof(float)); });
  std::printf("memcpy %.1f GB/s of f32 read; target %s\n", memory, simd_target());
  std::printf("%-8s %26s %26s %26s\n", "", "quantise", "dequantise", "error pass");
  std::printf("%-8s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", "GB/s", "scalar", "simd", "/memcpy",
              "scalar", "simd", "/memcpy", "scalar", "simd", "/memcpy");
  constexpr Kernels kScalar = {cpu_scalar::ggml_quantize, cpu_scalar::ggml_dequantize,
                               cpu_scalar::ggml_quantize_error};
  constexpr Kernels kSimd = {cpu_simd::ggml_quantize, cpu_simd::ggml_dequantize,
                             cpu_simd::ggml_quantize_error};
  const std::vector<float> few(x.begin(), x.begin() + (1 << 18));
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    const Speeds s = measure(kScalar, info.format, few, 1);
    const Speeds v = measure(kSimd, info.format, x, 3);
    std::printf("%-8s %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f %8.2f\n",
                std::string(info.gguf_name).c_str(), s.quantize, v.quantize, v.quantize / memory,
                s.dequantize, v.dequantize, v.dequantize / memory, s.error, v.error,
                v.error / memory);
  }
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  for (const GgmlFormat format : {GgmlFormat::q8_0, GgmlFormat::q4_0}) {
    std::printf("error pass %s, %u threads: %.1f GB/s of f32 source\n",
                std::string(ggml_info(format).gguf_name).c_str(), threads,
                threaded_error(format, x, threads));
  }
}
