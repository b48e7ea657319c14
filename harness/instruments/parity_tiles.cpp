#include "harness/instruments/parity_tiles.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace refute::instruments {
namespace {

struct RowView {
  std::span<const float> q, keys, values;
  std::size_t seen = 0, width = 0;
};

RowView view(const kernels::AttentionCall& call, const ParityInputs& in, std::size_t row) {
  const kernels::AttentionShape& s = call.shape;
  const std::size_t head = row / s.seq_q;  // over all batches
  const std::size_t shared =
      head / s.heads_q * s.heads_kv + head % s.heads_q / (s.heads_q / s.heads_kv);
  const std::size_t length = s.seq_kv * s.head_dim;
  return {std::span(in.q).subspan(row * s.head_dim, s.head_dim),
          std::span(in.k).subspan(shared * length, length),
          std::span(in.v).subspan(shared * length, length),
          kernels::visible_keys(call, row % s.seq_q), s.head_dim};
}

std::vector<double> weights(const RowView& r, double scale) {
  std::vector<double> p(r.seen);
  for (std::size_t j = 0; j < r.seen; ++j) {
    for (std::size_t i = 0; i < r.width; ++i) {
      p[j] += static_cast<double>(r.q[i]) * r.keys[j * r.width + i];
    }
    p[j] *= scale;
  }
  const double max = *std::ranges::max_element(p);
  double total = 0;
  for (double& x : p) total += x = std::exp(x - max);
  for (double& x : p) x /= total;
  return p;
}

/// Σ p_j·v_j over the keys [begin, end).
std::vector<double> weighted(const RowView& r, const std::vector<double>& p, std::size_t begin,
                             std::size_t end) {
  std::vector<double> sum(r.width);
  for (std::size_t j = begin; j < end; ++j) {
    for (std::size_t i = 0; i < r.width; ++i) sum[i] += p[j] * r.values[j * r.width + i];
  }
  return sum;
}

double squared_cosine(std::span<const double> a, std::span<const double> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa > 0 && bb > 0 ? std::min(1.0, ab / aa * (ab / bb)) : 0;
}

bool usable(std::span<const double> error) {
  return std::ranges::all_of(error, [](double e) { return std::isfinite(e); }) &&
         std::ranges::any_of(error, [](double e) { return e != 0; });
}

}  // namespace

std::optional<TileShare> explaining_tile(const kernels::AttentionCall& call, const ParityInputs& in,
                                         std::size_t row, std::span<const double> error) {
  const RowView r = view(call, in, row);
  if (r.seen == 0 || !usable(error)) return std::nullopt;
  const std::vector<double> p = weights(r, call.scale);
  const std::vector<double> out = weighted(r, p, 0, r.seen);
  TileShare best;
  for (std::size_t begin = 0; begin < r.seen; begin += kParityTile) {
    const std::size_t end = std::min(begin + kParityTile, r.seen);
    std::vector<double> part = weighted(r, p, begin, end);
    double weight = 0;
    for (std::size_t j = begin; j < end; ++j) weight += p[j];
    for (std::size_t i = 0; i < part.size(); ++i) part[i] -= weight * out[i];
    const double share = squared_cosine(error, part);
    if (share > best.share) best = {begin / kParityTile, share};
  }
  return best;
}

}  // namespace refute::instruments
