// How fast flash2 on vectors is beside a naive attention built on OpenBLAS with a vector softmax,
// and the f64 oracle beside the scalar naive. Best of several runs, same shapes, same threads.
//
//   attention_bench [--threads N] [--runs N] [--json]

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include <cblas.h>

#include "fixtures/oracles/attention_oracle.hpp"
#include "kernels/attention.hpp"
#include "kernels/cpu/attention_parallel.hpp"
#include "kernels/simd.hpp"

namespace refute::kernels {
namespace {

struct Options {
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  int runs = 5;
  bool json = false;
};

struct Tensors {
  std::vector<float> q, k, v, out;
};

Tensors tensors(const AttentionShape& s) {
  std::uint64_t state = 1;
  const auto fill = [&](std::size_t count) {
    std::vector<float> x(count);
    for (float& value : x) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      value = static_cast<float>(state >> 40) * 0x1p-23f - 1.0f;
    }
    return x;
  };
  const std::size_t keys = s.batch * s.heads_kv * s.seq_kv * s.head_dim;
  const std::size_t queries = s.batch * s.heads_q * s.seq_q * s.head_dim;
  return {fill(queries), fill(keys), fill(keys), std::vector<float>(queries)};
}

double best_seconds(int runs, const std::function<void()>& work) {
  double best = 1e300;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best = std::min(best, taken.count());
  }
  return best;
}

void mask_future(std::vector<float>& scores, std::size_t seq) {
  for (std::size_t i = 0; i < seq; ++i) {
    std::fill(&scores[i * seq + i + 1], &scores[i * seq] + seq, -INFINITY);
  }
}

/// One head: S = Q·Kᵀ, softmax, S·V.
void blas_head(const AttentionCall& call, const float* q, const float* k, const float* v,
               float* out, std::vector<float>& scores) {
  const std::size_t seq = call.shape.seq_q, dim = call.shape.head_dim;
  const auto n = static_cast<blasint>(seq), d = static_cast<blasint>(dim);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, d, 1, q, d, k, d, 0, scores.data(), n);
  if (call.mask == AttentionMask::causal) mask_future(scores, seq);
  cpu_simd::softmax_rows(scores, seq, seq, call.scale);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, d, n, 1, scores.data(), n, v, d, 0, out,
              d);
}

/// The heads shared out to the threads with OpenBLAS on one thread each: on every shape here this
/// was at least as fast as one head after the other with OpenBLAS on all threads, which leaves the
/// softmax to one. The scores' memory is the caller's, one matrix per thread, allocated outside the
/// clock.
void blas_naive(const AttentionCall& call, Tensors& t, std::vector<std::vector<float>>& scores) {
  const AttentionShape& s = call.shape;
  const std::size_t head = s.seq_q * s.head_dim;
  attention_parallel(scores.size(), call.threads, [&](std::size_t part) {
    for (std::size_t h = part; h < s.heads_q; h += scores.size()) {
      blas_head(call, &t.q[h * head], &t.k[h * head], &t.v[h * head], &t.out[h * head],
                scores[part]);
    }
  });
}

double worst_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

struct Line {
  std::size_t seq, dim;
  const char* mask;
  double blas, flash, difference;
};

Line compare(const Options& options, std::size_t seq, std::size_t dim, AttentionMask mask) {
  AttentionCall call;
  call.shape = {1, 8, 8, seq, seq, dim};
  call.mask = mask;
  call.scale = 1.0f / std::sqrt(static_cast<float>(dim));
  call.threads = options.threads;
  Tensors t = tensors(call.shape);
  Line line{seq, dim, mask == AttentionMask::full ? "full" : "causal", 0, 0, 0};
  std::vector scores(std::min<std::size_t>(options.threads, 8), std::vector<float>(seq * seq));
  line.blas = best_seconds(options.runs, [&] { blas_naive(call, t, scores); });
  const std::vector<float> naive = t.out;
  line.flash = best_seconds(options.runs, [&] {
    if (cpu_simd::attention_flash2(call, t.q, t.k, t.v, std::span<float>(t.out)) !=
        AttentionStatus::ok) {
      std::abort();
    }
  });
  line.difference = worst_difference(naive, t.out);
  return line;
}

struct OracleLine {
  double oracle, scalar;
};

OracleLine compare_oracle(const Options& options) {
  AttentionCall call;
  call.shape = {1, 8, 8, 1024, 1024, 64};
  call.scale = 0.125f;
  call.threads = options.threads;
  Tensors t = tensors(call.shape);
  std::vector<double> exact(t.out.size());
  const auto run_oracle = [&] {
    oracles::attention({1, 8, 8, 1024, 1024, 64, false, 0.125, options.threads}, t.q, t.k, t.v,
                       exact);
  };
  const auto run_scalar = [&] {
    if (cpu_scalar::attention_naive(call, std::span<const float>(t.q), std::span<const float>(t.k),
                                    std::span<const float>(t.v),
                                    std::span<float>(t.out)) != AttentionStatus::ok) {
      std::abort();
    }
  };
  return {best_seconds(options.runs, run_oracle), best_seconds(options.runs, run_scalar)};
}

void print(const Options& options, const Line& l) {
  const double flops = 4.0 * 8 * static_cast<double>(l.seq * l.seq * l.dim);
  if (options.json) {
    std::printf(
        "{\"bench\":\"attention\",\"seq\":%zu,\"head_dim\":%zu,\"heads\":8,\"mask\":\"%s\","
        "\"threads\":%u,\"naive_openblas_s\":%.6f,\"flash2_simd_s\":%.6f,\"ratio\":%.3f,"
        "\"max_difference\":%.3g}\n",
        l.seq, l.dim, l.mask, options.threads, l.blas, l.flash, l.blas / l.flash, l.difference);
    return;
  }
  std::printf("%5zu %4zu %-7s %10.1f %10.1f %8.2fx %9.1f   %.1e\n", l.seq, l.dim, l.mask,
              l.blas * 1e3, l.flash * 1e3, l.blas / l.flash,
              l.mask[0] == 'f' ? flops / l.flash * 1e-9 : flops / 2 / l.flash * 1e-9, l.difference);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--json") {
      options.json = true;
    } else if (i + 1 < argc && word == "--threads") {
      options.threads = static_cast<unsigned>(std::max(1, std::atoi(argv[++i])));
    } else if (i + 1 < argc && word == "--runs") {
      options.runs = std::max(1, std::atoi(argv[++i]));
    } else {
      std::fprintf(stderr, "usage: attention_bench [--threads N] [--runs N] [--json]\n");
      std::exit(2);
    }
  }
  return options;
}

int bench(const Options& options) {
  openblas_set_num_threads(1);
  if (!options.json) {
    std::printf("8 heads, f32, %u threads, %s, best of %d\n", options.threads, simd_target(),
                options.runs);
    std::printf("  seq  dim mask    OpenBLAS ms  flash2 ms   ratio   GFLOP/s  difference\n");
  }
  for (const AttentionMask mask : {AttentionMask::full, AttentionMask::causal}) {
    for (const std::size_t seq : {1024, 4096}) {
      for (const std::size_t dim : {64, 128}) print(options, compare(options, seq, dim, mask));
    }
  }
  const OracleLine o = compare_oracle(options);
  std::printf(options.json
                  ? "{\"bench\":\"attention_oracle\",\"seq\":1024,\"head_dim\":64,"
                    "\"heads\":8,\"oracle_s\":%.6f,\"naive_scalar_s\":%.6f,\"ratio\":%.3f}\n"
                  : "f64 oracle at 1024 x 64: %.6f s, scalar naive %.6f s, ratio %.2fx\n",
              o.oracle, o.scalar, o.oracle / o.scalar);
  return 0;
}

}  // namespace
}  // namespace refute::kernels

int main(int argc, char** argv) {
  return refute::kernels::bench(refute::kernels::parse(argc, argv));
}
