// C = A·Qᵀ from packed NF4 against the plain product of the dequantised matrix, on one core.

#include <fmt/core.h>

#include "harness/bench/benches.hpp"
#include "kernels/nf4.hpp"

namespace refute::bench {
namespace {

constexpr std::size_t kN = 1024, kK = 1024;

struct Operands {
  std::vector<float> a, b, c;
  std::vector<std::uint8_t> packed;
};

Operands operands(std::size_t m) {
  Operands o{
      std::vector<float>(m * kK), std::vector<float>(kN * kK), std::vector<float>(m * kN), {}};
  std::uint32_t state = 1;
  const auto next = [&] {
    return static_cast<float>(static_cast<std::int32_t>(state *= 2891336453u)) * 0x1p-31f;
  };
  for (float& x : o.a) x = next();
  for (float& x : o.b) x = next();
  std::vector<std::uint8_t> codes(kN * kK);
  std::vector<float> absmax(kN * kK / kernels::kNf4Block);
  o.packed.resize(kernels::nf4_packed_size(kN, kK));
  kernels::cpu_simd::nf4_quantize(o.b, kN, kK, kernels::Nf4Decision::thresholds, codes, absmax);
  kernels::cpu_simd::nf4_pack(codes, absmax, kN, kK, kernels::Nf4Layout::first_low, o.packed);
  kernels::cpu_simd::nf4_dequantize(codes, absmax, kN, kK, o.b);
  return o;
}

Figure figure(std::string what, double seconds, std::size_t m, double naive) {
  const double flops = 2.0 * static_cast<double>(m) * kN * kK;
  return {
      .what = std::move(what),
      .result = fmt::format("{}, {:.1f} GFLOP/s", show_seconds(seconds), flops / seconds * 1e-9),
      .ratio = naive / seconds,
      .against = "the speed of naive_gemm cpu_scalar"};
}

}  // namespace

std::vector<Figure> nf4_products() {
  std::vector<Figure> figures;
  for (const std::size_t m : {std::size_t{1}, std::size_t{64}}) {
    Operands o = operands(m);
    const auto fused = [&](auto gemm) {
      return median_seconds(
          3, [&] { gemm(o.a, o.packed, m, kN, kK, kernels::Nf4Layout::first_low, o.c); });
    };
    const auto plain = [&](auto gemm) {
      return median_seconds(3, [&] { gemm(o.a, o.b, m, kN, kK, o.c); });
    };
    const double naive = plain(kernels::cpu_scalar::naive_gemm);
    const std::string shape = fmt::format(", {} x {} x {}", m, kN, kK);
    figures.push_back(figure("naive_gemm cpu_scalar" + shape, naive, m, naive));
    figures.push_back(
        figure("naive_gemm cpu_simd" + shape, plain(kernels::cpu_simd::naive_gemm), m, naive));
    figures.push_back(
        figure("nf4_gemm cpu_scalar" + shape, fused(kernels::cpu_scalar::nf4_gemm), m, naive));
    figures.push_back(
        figure("nf4_gemm cpu_simd" + shape, fused(kernels::cpu_simd::nf4_gemm), m, naive));
  }
  return figures;
}

}  // namespace refute::bench
