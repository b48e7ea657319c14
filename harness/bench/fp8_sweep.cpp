// All 2^32 f32 patterns through an FP8 encode, on every core, and the same with every code checked.

#include <atomic>
#include <bit>
#include <cstdlib>
#include <span>
#include <thread>

#include <fmt/core.h>

#include "fixtures/oracles/fp8_oracle.hpp"
#include "harness/bench/benches.hpp"
#include "harness/metrics/run_compare.hpp"
#include "kernels/fp8.hpp"
#include "kernels/simd.hpp"

namespace refute::bench {
namespace {

using Encode = void (*)(std::span<const float>, std::span<std::uint8_t>, kernels::Fp8Mode);
using Runs = std::vector<oracles::Fp8Run>;

constexpr std::uint64_t kPatterns = std::uint64_t{1} << 32;
constexpr std::size_t kChunk = 1 << 13;  ///< values; in and out stay in the first-level cache

/// Encodes the patterns of one thread's share; counts the codes that are not the oracle's where
/// runs are given.
std::uint64_t sweep_share(Encode encode, std::uint64_t begin, std::uint64_t end, const Runs* runs) {
  std::vector<float> in(kChunk);
  std::vector<std::uint8_t> codes(kChunk);
  std::uint64_t wrong = 0;
  for (std::uint64_t first = begin; first < end; first += kChunk) {
    const auto start = static_cast<std::uint32_t>(first);
    for (std::uint32_t i = 0; i < kChunk; ++i) in[i] = std::bit_cast<float>(start + i);
    encode(in, codes, {});
    if (runs == nullptr) continue;
    wrong += metrics::first_mismatch_against_runs<oracles::Fp8Run>(codes, start, *runs).has_value();
  }
  return wrong;
}

std::uint64_t sweep(Encode encode, const Runs* runs) {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  const std::uint64_t share = kPatterns / threads / kChunk * kChunk;
  std::atomic<std::uint64_t> wrong = 0;
  std::vector<std::thread> workers;
  for (unsigned t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      wrong += sweep_share(encode, t * share, t + 1 == threads ? kPatterns : (t + 1) * share, runs);
    });
  }
  for (std::thread& worker : workers) worker.join();
  return wrong;
}

std::string show(double seconds) {
  return fmt::format("{}, {:.2f} G values/s", show_seconds(seconds),
                     static_cast<double>(kPatterns) / seconds * 1e-9);
}

}  // namespace

std::vector<Figure> fp8_sweep() {
  const auto runs = oracles::fp8_encode_runs(oracles::Fp8::e4m3, oracles::Ties::even,
                                             oracles::Overflow::satfinite);
  std::uint64_t wrong = 0;
  const double scalar = median_seconds(1, [] { sweep(kernels::cpu_scalar::fp8_encode, nullptr); });
  const double simd = median_seconds(3, [] { sweep(kernels::cpu_simd::fp8_encode, nullptr); });
  const double checked =
      median_seconds(3, [&] { wrong += sweep(kernels::cpu_simd::fp8_encode, &runs); });
  std::vector<Figure> figures = {
      {.what = "encode all 2^32 f32, cpu_scalar",
       .result = show(scalar),
       .ratio = scalar / simd,
       .against = "cpu_simd"},
      {.what = fmt::format("encode all 2^32 f32, cpu_simd ({})", kernels::simd_target()),
       .result = show(simd)},
      {.what = "the same, every code checked",
       .result = show(checked),
       .ratio = checked / simd,
       .against = "encode alone",
       .goal = 3},
  };
  if (wrong != 0)
    figures.push_back({.what = "WRONG CODES", .result = fmt::format("in {} chunks", wrong)});
  return figures;
}

}  // namespace refute::bench
