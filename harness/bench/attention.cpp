// flash2 on vectors against a naive attention built on OpenBLAS, on all cores, and the f64 oracle
// against the scalar naive kernel.

#include "kernels/attention.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <thread>

#include <fmt/core.h>

#include "fixtures/oracles/attention_oracle.hpp"
#include "harness/bench/attention_peer.hpp"
#include "harness/bench/benches.hpp"

namespace refute::bench {
namespace {

using kernels::AttentionCall;
using kernels::AttentionMask;
using kernels::AttentionStatus;

constexpr std::size_t kHeads = 8;

struct Tensors {
  std::vector<float> q, k, v, out;
};

Tensors tensors(const kernels::AttentionShape& s) {
  std::uint32_t state = 1;
  const auto values = [&] {
    std::vector<float> x(s.heads_q * s.seq_q * s.head_dim);
    for (float& value : x) {
      value = static_cast<float>(static_cast<std::int32_t>(state *= 2891336453u)) * 0x1p-31f;
    }
    return x;
  };
  return {values(), values(), values(), std::vector<float>(s.heads_q * s.seq_q * s.head_dim)};
}

AttentionCall call_of(std::size_t seq, std::size_t dim, AttentionMask mask) {
  AttentionCall call;
  call.shape = {1, kHeads, kHeads, seq, seq, dim};
  call.mask = mask;
  call.scale = 1 / std::sqrt(static_cast<float>(dim));
  call.threads = std::max(1u, std::thread::hardware_concurrency());
  return call;
}

using Kernel = AttentionStatus (*)(const AttentionCall&, std::span<const float>,
                                   std::span<const float>, std::span<const float>,
                                   std::span<float>);

double kernel_seconds(Kernel kernel, const AttentionCall& call, Tensors& t, int repeats) {
  return median_seconds(repeats, [&] {
    if (kernel(call, t.q, t.k, t.v, t.out) != AttentionStatus::ok) {
      throw std::runtime_error("the kernel refuses the benchmark's shape");
    }
  });
}

/// A peer that computes something else would be no peer.
void require_near(const std::vector<float>& a, const std::vector<float>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(std::abs(a[i] - b[i]) <= 1e-4f)) {
      throw std::runtime_error("flash2 and naive on OpenBLAS disagree");
    }
  }
}

Figure flash2_figure(std::size_t seq, std::size_t dim, AttentionMask mask) {
  const AttentionCall call = call_of(seq, dim, mask);
  const int repeats = seq > 2000 ? 3 : 7;
  const bool full = mask == AttentionMask::full;
  Tensors t = tensors(call.shape);
  const double flash = kernel_seconds(kernels::cpu_simd::attention_flash2, call, t, repeats);
  const double flops = (full ? 4.0 : 2.0) * kHeads * static_cast<double>(seq * seq * dim);
  Figure figure{
      .what = fmt::format("flash2 cpu_simd, S {}, D {}, {}", seq, dim, full ? "full" : "causal"),
      .result = fmt::format("{}, {:.0f} GFLOP/s", show_seconds(flash), flops / flash * 1e-9)};
  const auto peer = OpenblasAttention::make(call);
  if (peer == nullptr) {
    figure.result += " (no OpenBLAS to compare with)";
    return figure;
  }
  const std::vector<float> out = t.out;
  const double naive =
      median_seconds(repeats, [&] { peer->run(t.q.data(), t.k.data(), t.v.data(), t.out.data()); });
  require_near(out, t.out);
  figure.ratio = naive / flash;
  figure.against = fmt::format("the speed of naive on OpenBLAS, {}", show_seconds(naive));
  figure.goal = 1;
  figure.at_least = true;
  return figure;
}

Figure oracle_figure() {
  const AttentionCall call = call_of(1024, 64, AttentionMask::full);
  Tensors t = tensors(call.shape);
  std::vector<double> exact(t.out.size());
  const double oracle = median_seconds(3, [&] {
    oracles::attention({1, kHeads, kHeads, 1024, 1024, 64, false, call.scale, call.threads}, t.q,
                       t.k, t.v, exact);
  });
  const double scalar = kernel_seconds(kernels::cpu_scalar::attention_naive, call, t, 3);
  return {.what = "f64 oracle, S 1024, D 64, full",
          .result = show_seconds(oracle),
          .ratio = oracle / scalar,
          .against = fmt::format("naive cpu_scalar, {}", show_seconds(scalar)),
          .goal = 3};
}

}  // namespace

std::vector<Figure> attention() {
  std::vector<Figure> figures;
  for (const AttentionMask mask : {AttentionMask::full, AttentionMask::causal}) {
    for (const std::size_t seq : {std::size_t{1024}, std::size_t{4096}}) {
      for (const std::size_t dim : {std::size_t{64}, std::size_t{128}}) {
        figures.push_back(flash2_figure(seq, dim, mask));
      }
    }
  }
  figures.push_back(oracle_figure());
  return figures;
}

}  // namespace refute::bench
