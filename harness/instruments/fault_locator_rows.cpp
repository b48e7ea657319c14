#include "harness/instruments/fault_locator_rows.hpp"

#include <algorithm>
#include <cmath>

namespace refute::instruments {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// x with so many bits behind its leading one, to the nearest, ties to even.
double with_bits(double x, std::size_t bits) {
  if (bits >= 52 || x == 0 || !std::isfinite(x)) return x;
  const double step = std::ldexp(1.0, std::ilogb(x) - static_cast<int>(bits));
  return std::nearbyint(x / step) * step;
}

class RowRun {
 public:
  RowRun(const FaultObservation& o, std::size_t row_index, const RowPlace& place,
         const RowModel& model)
      : o_(o), place_(place), m_(model), d_(o.problem.head_dim), sum_(d_), score_(model.tile) {
    const std::size_t first = m_.query_row.value_or(row_index) * d_;
    query_.assign(&o.q[first], &o.q[first] + d_);
    for (double& x : query_) x = with_bits(x, m_.fraction_bits_score);
    if (!m_.round_query) return;
    for (double& x : query_) x = metrics::nearest(o.format, x * m_.scale);
  }

  void run(std::span<double> out) {
    if (m_.round_probabilities) find_total();
    for (std::size_t begin = 0; begin < m_.end; begin += m_.tile) fold(begin);
    for (std::size_t x = 0; x < d_; ++x) out[x] = finished(sum_[x]);
  }

 private:
  double rounded(bool on, double x) const { return on ? metrics::nearest(o_.format, x) : x; }
  double power(double x) const { return m_.base_two ? std::exp2(x) : std::exp(x); }

  std::size_t at(std::size_t key, std::size_t x, bool transposed) const {
    const std::size_t n = o_.problem.seq_kv, first = m_.first_row.value_or(m_.shared * n);
    return first * d_ + (transposed ? x * n + key : key * m_.row_step * d_ + x);
  }

  double score(std::size_t j) const {
    if (j >= o_.problem.seq_kv) return 0;  // padding
    if (m_.masked_score && j >= place_.seen) return *m_.masked_score;
    const std::size_t source = m_.key_of ? m_.key_of(j) : j;
    if (source >= o_.problem.seq_kv) return 0;
    const std::vector<float>& keys = m_.keys_and_values_swapped ? o_.v : o_.k;
    double dot = 0;
    for (std::size_t x = 0; x < m_.dims; ++x) {
      dot += query_[x] * with_bits(keys[at(source, x, m_.keys_transposed)], m_.fraction_bits_score);
    }
    if (!m_.round_query) dot *= m_.scale;
    if (m_.cap > 0) dot = m_.cap * std::tanh(dot / m_.cap);
    return rounded(m_.round_scores, dot);
  }

  double times(std::size_t j) const {
    if (j < m_.begin) return 0;
    return m_.times ? m_.times(j) : 1;
  }

  double value(std::size_t j, std::size_t x) const {
    const std::size_t source = m_.value_of ? m_.value_of(j) : j;
    if (source >= o_.problem.seq_kv) return 0;
    const std::vector<float>& values = m_.keys_and_values_swapped ? o_.k : o_.v;
    const double v = values[at(source, x, m_.values_transposed)];
    return with_bits(v, m_.fraction_bits_value);
  }

  std::size_t tile_end(std::size_t begin) const {
    return m_.padding ? begin + m_.tile : std::min(begin + m_.tile, m_.end);
  }

  /// Kernels that round probabilities after the division need the whole denominator first.
  void find_total() {
    double most = kMinusInfinity;
    for (std::size_t j = 0; j < m_.end; ++j) most = std::max(most, score(j));
    for (std::size_t j = 0; j < m_.end; ++j) total_ += times(j) * power(score(j) - most);
  }

  void fold(std::size_t begin) {
    const std::size_t end = tile_end(begin);
    double after = max_;
    for (std::size_t j = begin; j < end; ++j) {
      score_[j - begin] = times(j) == 0 ? kMinusInfinity : score(j);
      if (!(m_.max_of_first_tile && max_ != kMinusInfinity)) {
        after = std::max(after, score_[j - begin]);
      }
    }
    if (after == kMinusInfinity) return;
    const bool first = max_ == kMinusInfinity;
    double factor = first ? 0 : rounded(m_.round_rescale, power(max_ - after));
    if (m_.rescale_twice) factor *= factor;
    if (!m_.keep_output || first) {
      for (double& x : sum_) x *= factor;
    }
    denominator_ = summed(denominator_ * (m_.keep_sum && !first ? 1.0 : factor));
    const double before = denominator_;
    add_values(begin, end, after);
    if (m_.sum_without_last_tile && begin > 0 && end >= m_.end) denominator_ = before;
    denominator_ = rounded(m_.round_sum, denominator_);
    if (m_.divide_each_tile) {
      for (double& x : sum_) x /= denominator_;
    }
    if (m_.round_output) {
      for (double& x : sum_) x = rounded(true, x);
    }
    max_ = after;
  }

  double summed(double x) const { return with_bits(x, m_.fraction_bits_sum); }

  void add_values(std::size_t begin, std::size_t end, double max) {
    for (std::size_t j = begin; j < end; ++j) {
      if (score_[j - begin] == kMinusInfinity) continue;
      double p = times(j) * power(score_[j - begin] - max);
      denominator_ = summed(denominator_ + with_bits(p, m_.fraction_bits_added));
      if (m_.masked_in_sum && j >= place_.seen) continue;
      p = rounded(m_.round_weights, p);
      if (m_.round_probabilities) p = rounded(true, p / total_) * total_;
      for (std::size_t x = 0; x < d_; ++x) sum_[x] += p * value(j, x);
    }
  }

  double finished(double sum) const {
    if (denominator_ < std::numeric_limits<float>::min())
      return 0;  // f32 has lost it, or never had it
    return m_.no_division || m_.divide_each_tile ? sum : sum / denominator_;
  }

  const FaultObservation& o_;
  const RowPlace& place_;
  const RowModel& m_;
  std::size_t d_;
  std::vector<double> query_, sum_, score_;
  double max_ = kMinusInfinity, denominator_ = 0, total_ = 0;
};

/// The scores that the row sees.
std::vector<double> row_scores(const FaultObservation& o, std::size_t row_index,
                               const RowPlace& place) {
  const std::size_t d = o.problem.head_dim;
  std::vector<double> s(place.seen);
  for (std::size_t j = 0; j < place.seen; ++j) {
    const float* key = &o.k[(place.shared * o.problem.seq_kv + j) * d];
    for (std::size_t x = 0; x < d; ++x) {
      s[j] += static_cast<double>(o.q[row_index * d + x]) * key[x];
    }
    s[j] *= o.problem.scale;
  }
  return s;
}

}  // namespace

RowPlace place_of(const oracles::AttentionProblem& p, std::size_t row_index) {
  RowPlace place;
  place.row = row_index % p.seq_q;
  place.head = row_index / p.seq_q % p.heads_q;
  place.batch = row_index / p.seq_q / p.heads_q;
  const std::size_t end = place.row + 1 + p.seq_kv;
  place.seen = !p.causal ? p.seq_kv : end > p.seq_q ? std::min(end - p.seq_q, p.seq_kv) : 0;
  place.shared = place.batch * p.heads_kv + place.head / (p.heads_q / p.heads_kv);
  return place;
}

RowModel right_model(const oracles::AttentionProblem& p, const RowPlace& place, std::size_t tile) {
  RowModel m;
  m.tile = tile;
  m.shared = place.shared;
  m.scale = p.scale;
  m.end = place.seen;
  m.dims = p.head_dim;
  return m;
}

void compute_row(const FaultObservation& o, std::size_t row_index, const RowPlace& place,
                 const RowModel& model, std::span<double> out) {
  if (model.parts <= 1) return RowRun(o, row_index, place, model).run(out);
  // Parts without a key give zeros, and count.
  RowModel part = model;
  const std::size_t step = (model.end + model.parts - 1) / model.parts;
  std::vector<double> sum(out.size());
  for (std::size_t i = 0; i < model.parts; ++i) {
    part.begin = std::min(i * step, model.end);
    part.end = std::min((i + 1) * step, model.end);
    RowRun(o, row_index, place, part).run(out);
    for (std::size_t x = 0; x < out.size(); ++x) sum[x] += out[x];
  }
  for (std::size_t x = 0; x < out.size(); ++x) {
    out[x] = sum[x] / static_cast<double>(model.parts);
  }
}

double largest_score(const FaultObservation& o, std::size_t row_index, const RowPlace& place) {
  double most = kMinusInfinity;
  for (const double s : row_scores(o, row_index, place)) most = std::max(most, s);
  return most;
}

std::vector<double> row_weights(const FaultObservation& o, std::size_t row_index,
                                const RowPlace& place) {
  std::vector<double> p = row_scores(o, row_index, place);
  const double most = largest_score(o, row_index, place);
  double total = 0;
  for (double& x : p) total += x = std::exp(x - most);
  for (double& x : p) x /= total;
  return p;
}

}  // namespace refute::instruments
