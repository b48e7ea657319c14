#pragma once

// The operations of a decoder's forward pass besides attention.hpp's, in two arithmetics under
// equal names: cpu_reference (f32 storage; every sum in f64 and in a fixed order, rounded once, so
// that it is an oracle) and cpu_fast (f32; matrix products by OpenBLAS). Plain C++20, spans in,
// spans out. Sizes that do not fit are our own mistake and end the process.
//
// Matrices are row-major. A NaN or infinity goes where the arithmetic takes it, and nowhere else.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace refute::kernels {

/// y = x Wᵀ with x [tokens, inputs], W [outputs, inputs] and rows of y `stride` values apart.
struct LinearShape {
  std::size_t tokens = 0, inputs = 0, outputs = 0;
  std::size_t stride = 0;  ///< at least outputs
};

/// Cosine and sine of every angle: [tokens, half].
struct RopeTable {
  std::size_t half = 0;
  std::vector<double> cos, sin;
};

/// Heads to rotate in each row: `heads` of them, side by side, rows of x `stride` values apart. The
/// rotated ones are [tokens, heads, 2 half].
struct RopeShape {
  std::size_t tokens = 0, heads = 0, stride = 0;
};

/// Causal attention of `tokens` queries, which are the last of `keys` tokens. Queries and outputs
/// are [tokens, heads, head_dim]; keys and values [kv_heads, capacity, head_dim], of which the
/// first `keys` rows of each head count; scores and probabilities [heads, tokens, keys]. Query t
/// sees the keys up to keys - tokens + t; what it does not see is 0 in scores and probabilities and
/// is not read.
struct CausalShape {
  std::size_t tokens = 0, keys = 0, capacity = 0;
  std::size_t heads = 0, kv_heads = 0, head_dim = 0;
  double scale = 1;

  std::size_t visible(std::size_t token) const { return keys - tokens + token + 1; }
};

namespace cpu_reference {
#include "kernels/decoder_functions.inc"
}
/// Only where openblas() finds the library.
namespace cpu_fast {
#include "kernels/decoder_functions.inc"
}

/// OpenBLAS is looked for when it is first asked for, so that what does not need it does not wait
/// for it, and a machine without it says so.
struct OpenBlas {
  bool found = false;
  std::string name;  ///< "OpenBLAS 0.3.21 SkylakeX": version and the kernels that it chose
  std::string why;   ///< found is false: why
};
const OpenBlas& openblas();
/// How many threads its products run on; the bits of a product may depend on it.
void set_openblas_threads(unsigned threads);

}  // namespace refute::kernels
