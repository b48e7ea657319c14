#include "falsifiers/crux_l_02/slices.hpp"

#include <algorithm>

namespace refute::falsifiers {
namespace {

using mutants::KernelInputs;
using mutants::KernelShape;

/// Appends `count` blocks of `size` elements from block `first` on.
void append(std::vector<float>& to, const std::vector<float>& from, std::size_t first,
            std::size_t size, std::size_t count = 1) {
  const float* begin = from.data() + first * size;
  to.insert(to.end(), begin, begin + count * size);
}

/// [batch, heads, …] with the heads in another order.
std::vector<float> reordered(const std::vector<float>& x, std::size_t batch, std::size_t head_size,
                             const std::vector<std::size_t>& order) {
  std::vector<float> y;
  y.reserve(x.size());
  for (std::size_t b = 0; b < batch; ++b) {
    for (const std::size_t h : order) append(y, x, b * order.size() + h, head_size);
  }
  return y;
}

}  // namespace

HeadOrder rotated_heads(const KernelShape& s) {
  const std::size_t group = s.heads_q / s.heads_kv;
  HeadOrder order;
  for (std::size_t h = 0; h < s.heads_kv; ++h) {
    const std::size_t old = (h + 1) % s.heads_kv;
    order.key.push_back(old);
    for (std::size_t g = 0; g < group; ++g) order.query.push_back(old * group + (g + 1) % group);
  }
  return order;
}

KernelInputs with_heads(const KernelShape& s, const KernelInputs& in, const HeadOrder& order) {
  return {reordered(in.a, s.batch, s.seq_q * s.head_dim, order.query),
          reordered(in.b, s.batch, s.seq_kv * s.head_dim, order.key),
          reordered(in.c, s.batch, s.seq_kv * s.head_dim, order.key)};
}

std::vector<float> heads_moved(const KernelShape& s, const std::vector<float>& out,
                               const HeadOrder& order) {
  return reordered(out, s.batch, s.seq_q * s.head_dim, order.query);
}

Part one_shared_head(const KernelShape& s, const KernelInputs& in, const std::vector<float>& out,
                     std::size_t batch, std::size_t key_head) {
  Part part{s, {}, {}};
  const std::size_t group = s.heads_q / s.heads_kv, index = batch * s.heads_kv + key_head;
  part.shape.batch = part.shape.heads_kv = 1;
  part.shape.heads_q = group;
  append(part.inputs.a, in.a, index, group * s.seq_q * s.head_dim);
  append(part.inputs.b, in.b, index, s.seq_kv * s.head_dim);
  append(part.inputs.c, in.c, index, s.seq_kv * s.head_dim);
  append(part.out, out, index, group * s.seq_q * s.head_dim);
  return part;
}

Part one_query(const KernelShape& s, const KernelInputs& in, const std::vector<float>& out,
               std::size_t row, std::size_t keys) {
  Part part{s, {}, {}};
  part.shape.seq_q = 1;
  part.shape.seq_kv = keys;
  for (std::size_t h = 0; h < s.batch * s.heads_q; ++h) {
    append(part.inputs.a, in.a, h * s.seq_q + row, s.head_dim);
    append(part.out, out, h * s.seq_q + row, s.head_dim);
  }
  for (std::size_t h = 0; h < s.batch * s.heads_kv; ++h) {
    append(part.inputs.b, in.b, h * s.seq_kv, s.head_dim, keys);
    append(part.inputs.c, in.c, h * s.seq_kv, s.head_dim, keys);
  }
  return part;
}

Part with_keys_repeated(const KernelShape& s, const KernelInputs& in) {
  Part part{s, {}, {}};
  part.shape.heads_kv = s.heads_q;
  part.inputs.a = in.a;
  const std::size_t group = s.heads_q / s.heads_kv;
  for (std::size_t h = 0; h < s.batch * s.heads_q; ++h) {
    const std::size_t shared = h / s.heads_q * s.heads_kv + h % s.heads_q / group;
    append(part.inputs.b, in.b, shared, s.seq_kv * s.head_dim);
    append(part.inputs.c, in.c, shared, s.seq_kv * s.head_dim);
  }
  return part;
}

std::vector<float> rows_rotated(const KernelShape& s, const std::vector<float>& x) {
  std::vector<float> y;
  y.reserve(x.size());
  for (std::size_t h = 0; h < s.batch * s.heads_q; ++h) {
    for (std::size_t i = 0; i < s.seq_q; ++i) {
      append(y, x, h * s.seq_q + (i + 1) % s.seq_q, s.head_dim);
    }
  }
  return y;
}

}  // namespace refute::falsifiers
