#pragma once

// The attention that flash2 is timed against: all scores of a head by one matrix product of
// OpenBLAS, a vector softmax over them, and a second product.

#include <memory>

#include "kernels/attention.hpp"

namespace refute::bench {

class OpenblasAttention {
 public:
  /// Room for one head's scores per thread. Null when refute_bench was built without OpenBLAS.
  static std::unique_ptr<OpenblasAttention> make(const kernels::AttentionCall& call);
  virtual ~OpenblasAttention() = default;
  /// f32, equally long sequences, no grouped heads; a causal mask is applied.
  virtual void run(const float* q, const float* k, const float* v, float* out) = 0;
};

}  // namespace refute::bench
