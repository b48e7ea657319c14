#include "harness/bench/attention_peer.hpp"

#include <algorithm>
#include <limits>
#include <thread>
#include <vector>

#ifdef REFUTE_BENCH_OPENBLAS
#include <cblas.h>
#endif

namespace refute::bench {

#ifdef REFUTE_BENCH_OPENBLAS
namespace {

using kernels::AttentionCall;

/// The heads shared out to the threads with OpenBLAS on one thread each: on every shape here this
/// was at least as fast as one head after the other with OpenBLAS on all threads, which leaves the
/// softmax to one.
class Peer : public OpenblasAttention {
 public:
  explicit Peer(const AttentionCall& call)
      : call_(call),
        scores_(std::min<std::size_t>(std::max(call.threads, 1u), call.shape.heads_q),
                std::vector<float>(call.shape.seq_q * call.shape.seq_kv)) {
    openblas_set_num_threads(1);
  }

  void run(const float* q, const float* k, const float* v, float* out) override {
    const std::size_t head = call_.shape.seq_q * call_.shape.head_dim;
    const auto part = [&](std::size_t first) {
      for (std::size_t h = first; h < call_.shape.heads_q; h += scores_.size()) {
        run_head(q + h * head, k + h * head, v + h * head, out + h * head, scores_[first]);
      }
    };
    std::vector<std::jthread> pool;
    for (std::size_t t = 1; t < scores_.size(); ++t) pool.emplace_back(part, t);
    part(0);
  }

 private:
  void run_head(const float* q, const float* k, const float* v, float* out,
                std::vector<float>& scores) const {
    const std::size_t seq = call_.shape.seq_q;
    const auto n = static_cast<blasint>(seq), d = static_cast<blasint>(call_.shape.head_dim);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, n, d, 1, q, d, k, d, 0, scores.data(),
                n);
    if (call_.mask == kernels::AttentionMask::causal) mask_future(scores, seq);
    kernels::cpu_simd::softmax_rows(scores, seq, seq, call_.scale);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, d, n, 1, scores.data(), n, v, d, 0,
                out, d);
  }

  static void mask_future(std::vector<float>& scores, std::size_t seq) {
    for (std::size_t i = 0; i < seq; ++i) {
      std::fill(&scores[i * seq] + i + 1, &scores[i * seq] + seq,
                -std::numeric_limits<float>::infinity());
    }
  }

  AttentionCall call_;
  std::vector<std::vector<float>> scores_;
};

}  // namespace

std::unique_ptr<OpenblasAttention> OpenblasAttention::make(const AttentionCall& call) {
  return std::make_unique<Peer>(call);
}
#else
std::unique_ptr<OpenblasAttention> OpenblasAttention::make(const kernels::AttentionCall&) {
  return nullptr;
}
#endif

}  // namespace refute::bench
