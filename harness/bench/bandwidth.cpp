// What streams through memory, against memcpy of the same f32 values on one core.

#include <cstring>

#include <fmt/core.h>

#include "harness/bench/benches.hpp"
#include "harness/metrics/error.hpp"
#include "kernels/fp8.hpp"
#include "kernels/nf4.hpp"

namespace refute::bench {
namespace {

constexpr std::size_t kRows = 4096, kCols = 4096;
constexpr std::size_t kValues = kRows * kCols;
constexpr int kRepeats = 5;

/// Values in (-1, 1) from a multiplicative counter: neither constant nor sorted.
std::vector<float> values() {
  std::vector<float> w(kValues);
  std::uint32_t state = 1;
  for (float& x : w)
    x = static_cast<float>(static_cast<std::int32_t>(state *= 2891336453u)) * 0x1p-31f;
  return w;
}

double memcpy_seconds(const std::vector<float>& w) {
  std::vector<float> copy(w.size());
  return median_seconds(kRepeats,
                        [&] { std::memcpy(copy.data(), w.data(), w.size() * sizeof(float)); });
}

Figure against_memcpy(std::string what, double seconds, double memcpy) {
  return {.what = std::move(what),
          .result = fmt::format("{}, {:.1f} GB/s of f32", show_seconds(seconds),
                                kValues * 4 / seconds * 1e-9),
          .ratio = seconds / memcpy,
          .against = "memcpy"};
}

constexpr kernels::Fp8Layout fp8_layout(kernels::Fp8Granularity granularity) {
  return {.rows = kRows, .cols = kCols, .granularity = granularity, .block = 128};
}

}  // namespace

std::vector<Figure> fp8_bandwidth() {
  using kernels::Fp8Granularity;
  const auto w = values();
  const double memcpy = memcpy_seconds(w);
  std::vector<std::uint8_t> codes(kValues);
  std::vector<float> back(kValues);
  std::vector<Figure> figures = {against_memcpy("memcpy of 64 MiB", memcpy, memcpy)};
  const auto add = [&](std::string what, auto quantize, auto dequantize,
                       Fp8Granularity granularity) {
    const auto layout = fp8_layout(granularity);
    std::vector<float> scales(layout.scale_count());
    const double there =
        median_seconds(kRepeats, [&] { quantize(w, layout, kernels::Fp8Mode{}, codes, scales); });
    const double here = median_seconds(
        kRepeats, [&] { dequantize(codes, scales, layout, kernels::Fp8Format::e4m3, back); });
    figures.push_back(against_memcpy("fp8_quantize " + what, there, memcpy));
    figures.push_back(against_memcpy("fp8_dequantize " + what, here, memcpy));
  };
  add("cpu_simd, tensor", kernels::cpu_simd::fp8_quantize, kernels::cpu_simd::fp8_dequantize,
      Fp8Granularity::tensor);
  add("cpu_simd, block", kernels::cpu_simd::fp8_quantize, kernels::cpu_simd::fp8_dequantize,
      Fp8Granularity::block);
  add("cpu_scalar, tensor", kernels::cpu_scalar::fp8_quantize, kernels::cpu_scalar::fp8_dequantize,
      Fp8Granularity::tensor);
  return figures;
}

std::vector<Figure> nf4_bandwidth() {
  const auto w = values();
  const double memcpy = memcpy_seconds(w);
  std::vector<std::uint8_t> codes(kValues);
  std::vector<float> absmax(kValues / kernels::kNf4Block), back(kValues);
  std::vector<Figure> figures;
  const auto add = [&](const std::string& backend, auto quantize, auto dequantize) {
    const double there = median_seconds(kRepeats, [&] {
      quantize(w, kRows, kCols, kernels::Nf4Decision::thresholds, codes, absmax);
    });
    const double here =
        median_seconds(kRepeats, [&] { dequantize(codes, absmax, kRows, kCols, back); });
    figures.push_back(against_memcpy("nf4_quantize " + backend, there, memcpy));
    figures.push_back(against_memcpy("nf4_dequantize " + backend, here, memcpy));
  };
  add("cpu_simd", kernels::cpu_simd::nf4_quantize, kernels::cpu_simd::nf4_dequantize);
  add("cpu_scalar", kernels::cpu_scalar::nf4_quantize, kernels::cpu_scalar::nf4_dequantize);
  return figures;
}

std::vector<Figure> error_metrics() {
  const auto w = values();
  const double memcpy = memcpy_seconds(w);
  auto got = w;
  for (std::size_t i = 0; i < got.size(); i += 3) got[i] *= 1.0001f;
  const double all = median_seconds(kRepeats, [&] { (void)metrics::measure(got, w); });
  const double rows =
      median_seconds(kRepeats, [&] { (void)metrics::worst_row(got, w, kRows, kCols); });
  const double blocks =
      median_seconds(kRepeats, [&] { (void)metrics::worst_block(got, w, kRows, kCols, 128); });
  return {against_memcpy("measure two tensors of 2^24", all, memcpy),
          against_memcpy("worst row", rows, memcpy),
          against_memcpy("worst block of 128", blocks, memcpy)};
}

}  // namespace refute::bench
