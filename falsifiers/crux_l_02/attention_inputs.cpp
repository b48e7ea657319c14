// Q, K and V of a case.

#include <algorithm>
#include <cmath>

#include "falsifiers/crux_l_02/attention_case.hpp"
#include "harness/worker/expand.hpp"

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using mutants::KernelShape;
using mutants::Storage;

/// One of the three tensors, by the streams of random words that are its own.
struct Draw {
  std::uint64_t seed;
  std::uint32_t tensor;

  std::uint32_t word(std::uint32_t stream, std::size_t i) const {
    return worker::word_at(seed, tensor * 8 + stream, static_cast<std::uint32_t>(i));
  }
  /// The sum of eight uniform numbers of 16 bits, shifted and scaled to N(0, 1): exact integers and
  /// one product, so the same bits everywhere.
  float normal(std::size_t i) const {
    std::uint32_t sum = 0;
    for (std::uint32_t s = 0; s < 4; ++s) {
      const std::uint32_t w = word(s, i);
      sum += (w & 0xFFFFu) + (w >> 16);
    }
    constexpr float kDeviation = 53510.0f;  // √(8/12)·2^16
    return (static_cast<float>(sum) - 8 * 32767.5f) / kDeviation;
  }
  /// -1, 0 or 1.
  float sign(std::size_t i) const { return static_cast<float>(word(5, i) % 3) - 1; }
};

std::vector<float> normals(const Draw& draw, std::size_t count, float deviation) {
  std::vector<float> x(count);
  for (std::size_t i = 0; i < count; ++i) x[i] = draw.normal(i) * deviation;
  return x;
}

/// Every head's keys, from the first key on: what the families change.
template <class Change>
void for_each_key(const KernelShape& s, std::vector<float>& x, Change change) {
  for (std::size_t row = 0; row * s.head_dim < x.size(); ++row) {
    change(row % s.seq_kv, &x[row * s.head_dim]);
  }
}

/// About 2^6 above the least normal number, so that a sum of a few stays normal.
float tiny_scale(Storage storage) {
  return storage == Storage::f16 ? 0x1p-10f : 0x1p-110f;
}

void shape_family(const AttentionCase& c, KernelInputs& in) {
  const KernelShape& s = c.shape;
  const std::size_t d = s.head_dim;
  const Draw q{c.seed, 0}, k{c.seed, 1}, v{c.seed, 2};
  switch (c.family) {
    case AttentionFamily::normal:
      break;
    case AttentionFamily::all_equal:
      std::ranges::fill(in.a, 0.5f);
      std::ranges::fill(in.b, 0.25f);
      break;
    case AttentionFamily::constant_values:
      for_each_key(s, in.c, [&](std::size_t, float* row) {
        for (std::size_t x = 0; x < d; ++x) row[x] = v.normal(x);
      });
      break;
    case AttentionFamily::ties:
      for (std::size_t i = 0; i < in.a.size(); ++i) in.a[i] = q.sign(i);
      for (std::size_t i = 0; i < in.b.size(); ++i) in.b[i] = k.sign(i);
      break;
    case AttentionFamily::sink:
      for (std::size_t i = 0; i < in.a.size(); i += d) in.a[i] = 4;
      for_each_key(s, in.b, [](std::size_t j, float* row) {
        if (j == 0) row[0] = 16;
      });
      break;
    case AttentionFamily::peaked:
      for (float& x : in.a) x *= 10;
      for (float& x : in.b) x *= 10;
      break;
    case AttentionFamily::huge_logits:
      for (float& x : in.a) x *= 60;
      for (float& x : in.b) x *= 60;
      break;
    case AttentionFamily::outlier:
      in.c[v.word(6, 0) % in.c.size()] = 1000;
      in.b[k.word(6, 0) % in.b.size()] = 30;
      break;
    case AttentionFamily::cancellation:
      for (std::vector<float>* x : {&in.b, &in.c}) {
        for_each_key(s, *x, [&](std::size_t j, float* row) {
          if (j % 2 == 1)
            std::transform(row - d, row, row, [&](float y) { return x == &in.c ? -y : y; });
        });
      }
      break;
    case AttentionFamily::tiny:
      for (float& x : in.c) x *= tiny_scale(s.storage);
      break;
  }
}

}  // namespace

KernelInputs inputs_of(const AttentionCase& c) {
  const KernelShape& s = c.shape;
  const std::size_t queries = s.batch * s.heads_q * s.seq_q * s.head_dim;
  const std::size_t keys = s.batch * s.heads_kv * s.seq_kv * s.head_dim;
  KernelInputs in{normals({c.seed, 0}, queries, 1), normals({c.seed, 1}, keys, 1),
                  normals({c.seed, 2}, keys, 1)};
  shape_family(c, in);
  for (std::vector<float>* x : {&in.a, &in.b, &in.c}) {
    for (float& value : *x) value = mutants::stored(s.storage, value);
  }
  return in;
}

}  // namespace refute::falsifiers
