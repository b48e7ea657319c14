#include "harness/instruments/fault_locator_table.hpp"

#include <algorithm>
#include <cmath>

namespace refute::instruments {
namespace {

using Problem = oracles::AttentionProblem;

// --- Which keys a row goes through

bool last_key(const Problem& p, const RowPlace&, RowModel& m) {
  m.end = std::min(m.end, p.seq_kv - 1);
  return true;
}
bool first_key(const Problem&, const RowPlace&, RowModel& m) {
  m.begin = 1;
  return true;
}
bool own_key(const Problem& p, const RowPlace&, RowModel& m) {
  m.end -= m.end > 0;
  return p.causal;
}
bool own_last_key(const Problem&, const RowPlace&, RowModel& m) {
  m.end -= m.end > 0;
  return true;
}
bool own_partial_tile(const Problem&, const RowPlace&, RowModel& m) {
  m.end = m.end / m.tile * m.tile;
  return true;
}
bool own_last_tile(const Problem&, const RowPlace&, RowModel& m) {
  if (m.end > 0) m.end = (m.end - 1) / m.tile * m.tile;
  return true;
}
bool last_tile(const Problem& p, const RowPlace&, RowModel& m) {
  m.end = std::min(m.end, (p.seq_kv - 1) / m.tile * m.tile);
  return true;
}
/// j <= i + S_kv - S_q + 1, also where that is still negative.
bool one_more_of_difference(const Problem& p, const RowPlace& place, RowModel& m) {
  const std::size_t end = place.row + 2 + p.seq_kv;
  m.end = end > p.seq_q ? std::min(end - p.seq_q, p.seq_kv) : 0;
  return p.causal;
}
bool mask_by_key_tiles(const Problem& p, const RowPlace&, RowModel& m) {
  m.end = std::min((m.end + m.tile - 1) / m.tile * m.tile, p.seq_kv);
  return p.causal;
}
/// Every row sees what the last one of its tile of queries does.
bool mask_by_query_tiles(const Problem& p, const RowPlace& place, RowModel& m) {
  const std::size_t last = std::min((place.row / m.tile + 1) * m.tile, p.seq_q) - 1;
  const std::size_t end = last + 1 + p.seq_kv;
  m.end = end > p.seq_q ? std::min(end - p.seq_q, p.seq_kv) : 0;
  return p.causal;
}
bool one_more(const Problem& p, const RowPlace&, RowModel& m) {
  m.end = std::min(m.end + 1, p.seq_kv);
  return p.causal;
}
bool no_mask(const Problem& p, const RowPlace&, RowModel& m) {
  m.end = p.seq_kv;
  return p.causal;
}
bool from_the_top(const Problem& p, const RowPlace& place, RowModel& m) {
  m.end = std::min(place.row + 1, p.seq_kv);
  return p.causal && p.seq_q != p.seq_kv;
}
bool scores_of_zero(const Problem& p, const RowPlace&, RowModel& m) {
  m.end = p.seq_kv;
  m.masked_score = 0;
  return p.causal;
}
bool masked_after(const Problem& p, const RowPlace& place, RowModel& m) {
  if (place.seen > 0) m.end = p.seq_kv;
  m.masked_in_sum = true;
  return p.causal;
}
bool blind_rows_average(const Problem& p, const RowPlace& place, RowModel& m) {
  if (place.seen > 0) return p.causal;
  m.end = p.seq_kv;
  m.scale = 0;
  return p.causal;
}
bool whole_tiles(const Problem& p, const RowPlace&, RowModel& m) {
  m.end = std::min(m.end, p.seq_kv / m.tile * m.tile);
  return true;
}
bool whole_eights(const Problem& p, const RowPlace&, RowModel& m) {
  m.end = std::min(m.end, p.seq_kv / 8 * 8);
  return true;
}
bool last_tile_only(const Problem&, const RowPlace&, RowModel& m) {
  if (m.end > m.tile) m.begin = m.end - m.tile;
  return true;
}
bool tile_starts_skipped(const Problem&, const RowPlace&, RowModel& m) {
  m.times = [tile = m.tile](std::size_t j) { return j > 0 && j % tile == 0 ? 0.0 : 1.0; };
  return true;
}
bool tile_starts_twice(const Problem&, const RowPlace&, RowModel& m) {
  m.times = [tile = m.tile](std::size_t j) { return j > 0 && j % tile == 0 ? 2.0 : 1.0; };
  return true;
}
/// Keys that pad the sequence's last tile, for the rows that come to that tile.
bool padding_counts(const Problem& p, const RowPlace& place, RowModel& m) {
  m.padding = true;
  m.times = [n = p.seq_kv, seen = place.seen](std::size_t j) {
    return j < seen || j >= n ? 1.0 : 0.0;
  };
  return true;
}

// --- Where keys and values are read

bool heads_interleaved(const Problem& p, const RowPlace& place, RowModel& m) {
  m.shared = place.batch * p.heads_kv + place.head % p.heads_kv;
  return p.heads_q > p.heads_kv;
}
bool first_key_head(const Problem& p, const RowPlace& place, RowModel& m) {
  m.shared = place.batch * p.heads_kv;
  return p.heads_kv > 1;
}
bool next_key_head(const Problem& p, const RowPlace& place, RowModel& m) {
  m.shared = place.batch * p.heads_kv + (place.shared + 1) % p.heads_kv;
  return p.heads_kv > 1;
}
bool first_batch(const Problem& p, const RowPlace&, RowModel& m) {
  m.shared %= p.heads_kv;
  return p.batch > 1;
}
bool stale_keys(const Problem& p, const RowPlace&, RowModel& m) {
  m.key_of = [tile = m.tile](std::size_t j) { return j / tile == 1 ? j - tile : j; };
  return p.seq_kv > m.tile;
}
bool stale_values(const Problem& p, const RowPlace&, RowModel& m) {
  m.value_of = [tile = m.tile](std::size_t j) { return j / tile == 1 ? j - tile : j; };
  return p.seq_kv > m.tile;
}
bool values_one_on(const Problem& p, const RowPlace&, RowModel& m) {
  m.value_of = [tile = m.tile](std::size_t j) { return j >= tile ? j + 1 : j; };
  return p.seq_kv > m.tile;
}

bool next_batch(const Problem& p, const RowPlace& place, RowModel& m) {
  m.shared = (place.shared + p.heads_kv) % (p.batch * p.heads_kv);
  return p.batch > 1;
}
bool keys_one_on(const Problem&, const RowPlace&, RowModel& m) {
  m.key_of = [](std::size_t j) { return j + 1; };
  return true;
}
bool all_values_one_on(const Problem&, const RowPlace&, RowModel& m) {
  m.value_of = [](std::size_t j) { return j + 1; };
  return true;
}
bool keys_one_back(const Problem&, const RowPlace&, RowModel& m) {
  m.key_of = [](std::size_t j) { return j - (j > 0); };
  return true;
}
bool all_values_one_back(const Problem&, const RowPlace&, RowModel& m) {
  m.value_of = [](std::size_t j) { return j - (j > 0); };
  return true;
}

bool keys_for_values(const Problem&, const RowPlace&, RowModel& m) {
  return m.keys_and_values_swapped = true;
}
bool keys_transposed(const Problem&, const RowPlace&, RowModel& m) {
  return m.keys_transposed = true;
}
bool values_transposed(const Problem&, const RowPlace&, RowModel& m) {
  return m.values_transposed = true;
}

// --- Scores

bool scale_of_dim(const Problem& p, const RowPlace&, RowModel& m) {
  m.scale = 1 / static_cast<double>(p.head_dim);
  return true;
}
bool scale_of_dim_minus_one(const Problem& p, const RowPlace&, RowModel& m) {
  m.scale = 1 / std::sqrt(static_cast<double>(p.head_dim) - 1);
  return p.head_dim > 1;
}
bool no_scale(const Problem&, const RowPlace&, RowModel& m) {
  m.scale = 1;
  return true;
}
bool scale_of_64(const Problem&, const RowPlace&, RowModel& m) {
  m.scale = 0.125;
  return true;
}
template <int kExponent>
bool scale_by_two(const Problem&, const RowPlace&, RowModel& m) {
  m.scale = std::ldexp(m.scale, kExponent);
  return true;
}
bool last_dim(const Problem&, const RowPlace&, RowModel& m) {
  m.dims -= 1;
  return true;
}

// --- The online softmax

bool base_two(const Problem&, const RowPlace&, RowModel& m) {
  return m.base_two = true;
}
bool keep_sum(const Problem&, const RowPlace&, RowModel& m) {
  return m.keep_sum = true;
}
bool keep_output(const Problem&, const RowPlace&, RowModel& m) {
  return m.keep_output = true;
}
bool rescale_twice(const Problem&, const RowPlace&, RowModel& m) {
  return m.rescale_twice = true;
}
bool sum_without_last_tile(const Problem&, const RowPlace&, RowModel& m) {
  return m.sum_without_last_tile = true;
}
bool no_division(const Problem&, const RowPlace&, RowModel& m) {
  return m.no_division = true;
}
bool divide_each_tile(const Problem&, const RowPlace&, RowModel& m) {
  return m.divide_each_tile = true;
}
template <std::size_t kParts>
bool average_parts(const Problem&, const RowPlace&, RowModel& m) {
  m.parts = kParts;
  return true;
}

// --- Precision that nobody declared

bool rounds_scores(const Problem&, const RowPlace&, RowModel& m) {
  return m.round_scores = true;
}
bool rounds_weights(const Problem&, const RowPlace&, RowModel& m) {
  return m.round_weights = true;
}
bool rounds_probabilities(const Problem&, const RowPlace&, RowModel& m) {
  return m.round_probabilities = true;
}
bool rounds_sum(const Problem&, const RowPlace&, RowModel& m) {
  return m.round_sum = true;
}
bool rounds_output(const Problem&, const RowPlace&, RowModel& m) {
  return m.round_output = true;
}
bool rounds_rescale(const Problem&, const RowPlace&, RowModel& m) {
  return m.round_rescale = true;
}
bool rounds_query(const Problem&, const RowPlace&, RowModel& m) {
  return m.round_query = true;
}
template <std::size_t kBits>
bool reads_bits(const Problem&, const RowPlace&, RowModel& m) {
  m.fraction_bits_score = m.fraction_bits_value = kBits;
  return true;
}
template <std::size_t kBits>
bool scores_of_bits(const Problem&, const RowPlace&, RowModel& m) {
  m.fraction_bits_score = kBits;
  return true;
}
template <std::size_t kBits>
bool values_of_bits(const Problem&, const RowPlace&, RowModel& m) {
  m.fraction_bits_value = kBits;
  return true;
}

// --- The output, whatever came before

bool rounding_only(const FaultObservation& o, std::vector<double>&) {
  return o.format != metrics::Format::f32;
}

template <int kExponent>
bool times_two(const FaultObservation&, std::vector<double>& out) {
  for (double& x : out) x = std::ldexp(x, kExponent);
  return true;
}
bool negated(const FaultObservation&, std::vector<double>& out) {
  for (double& x : out) x = -x;
  return true;
}

/// The rows that came out as nothing but zeros, and should not have; the rest has to be right.
bool rows_of_zeros(const FaultObservation& o, std::vector<double>& out) {
  const std::size_t d = o.problem.head_dim;
  std::size_t rows = 0;
  for (std::size_t i = 0; i < out.size(); i += d) {
    const auto row = std::span(o.actual).subspan(i, d);
    if (std::ranges::any_of(row, [](float x) { return x != 0; })) continue;
    rows += std::ranges::any_of(std::span(out).subspan(i, d), [](double x) { return x != 0; });
    std::fill_n(&out[i], d, 0.0);
  }
  return rows > 0;
}

/// The last row of the tensor repeats the one before.
bool last_row_stale(const FaultObservation& o, std::vector<double>& out) {
  const std::size_t d = o.problem.head_dim, n = out.size();
  if (n < 2 * d) return false;
  std::copy_n(&out[n - 2 * d], d, &out[n - d]);
  return true;
}
bool first_rows_swapped(const FaultObservation& o, std::vector<double>& out) {
  const std::size_t d = o.problem.head_dim;
  if (out.size() < 2 * d) return false;
  std::swap_ranges(&out[0], &out[d], &out[d]);
  return true;
}
bool first_heads_swapped(const FaultObservation& o, std::vector<double>& out) {
  const Problem& p = o.problem;
  const std::size_t head = p.seq_q * p.head_dim;
  if (p.heads_q < 2) return false;
  for (std::size_t b = 0; b < p.batch; ++b) {
    double* first = &out[b * p.heads_q * head];
    std::swap_ranges(first, first + head, first + head);
  }
  return true;
}
/// [batch, seq, heads, dim] where [batch, heads, seq, dim] belongs.
bool sequence_before_heads(const FaultObservation& o, std::vector<double>& out) {
  const Problem& p = o.problem;
  const std::size_t d = p.head_dim;
  const std::vector<double> right = out;
  for (std::size_t r = 0; r * d < out.size(); ++r) {
    const RowPlace at = place_of(p, r);
    std::copy_n(&right[r * d], d, &out[((at.batch * p.seq_q + at.row) * p.heads_q + at.head) * d]);
  }
  return p.heads_q > 1 && p.seq_q > 1;
}
/// Every head written as [dim, seq].
bool rows_and_columns(const FaultObservation& o, std::vector<double>& out) {
  const std::size_t n = o.problem.seq_q, d = o.problem.head_dim;
  const std::vector<double> right = out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t head = i / (n * d), row = i / d % n, column = i % d;
    out[head * n * d + column * n + row] = right[i];
  }
  return n > 1 && d > 1;
}
bool halves(const FaultObservation& o, std::vector<double>& out) {
  const std::size_t d = o.problem.head_dim;
  for (std::size_t i = 0; i < out.size(); i += d) {
    std::rotate(&out[i], &out[i] + d / 2, &out[i] + d);
  }
  return d > 1;
}
bool last_column(const FaultObservation& o, std::vector<double>& out) {
  const std::size_t d = o.problem.head_dim;
  for (std::size_t i = d - 1; i < out.size(); i += d) out[i] = 0;
  return d > 1;
}
/// Zeros at the tensor's end, from some element on.
bool tail_of_zeros(const FaultObservation& o, std::vector<double>& out) {
  std::size_t n = out.size();
  while (n > 0 && o.actual[n - 1] == 0) --n;
  const bool wrong = std::any_of(out.begin() + static_cast<std::ptrdiff_t>(n), out.end(),
                                 [](double x) { return x != 0; });
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(n), out.end(), 0.0);
  return wrong && n > 0 && n % o.problem.head_dim != 0;
}

#define ROW(name, model, sentence) \
  { name, sentence, model, nullptr }
#define OUTPUT(name, output, sentence) \
  { name, sentence, nullptr, output }

constexpr CommonFault kFaults[] = {
    ROW("drops_last_key", last_key, "the last key is left out"),
    ROW("drops_first_key", first_key, "the first key is left out"),
    ROW("drops_own_last_key", own_last_key, "every row leaves out the last key that it sees"),
    ROW("drops_own_partial_tile", own_partial_tile,
        "every row leaves out what it sees of a partial tile of keys"),
    ROW("drops_own_last_tile", own_last_tile,
        "every row leaves out the last tile of keys that it sees, also a whole one"),
    ROW("causal_off_by_one", own_key,
        "the causal mask is off by one: a row does not see its own key"),
    ROW("causal_leaks_one", one_more, "the causal mask is off by one: a row sees the next key"),
    ROW("causal_leaks_one", one_more_of_difference,
        "the causal mask is off by one: a row sees the next key"),
    ROW("mask_by_key_tile", mask_by_key_tiles,
        "the causal mask goes by tiles of keys: a row sees its last tile to the end"),
    ROW("mask_by_query_tile", mask_by_query_tiles,
        "the causal mask goes by tiles of queries: a row sees what the last of its tile does"),
    ROW("causal_ignored", no_mask, "the causal mask is not applied"),
    ROW("causal_top_left", from_the_top,
        "the causal mask is aligned at the start, not at the end of the sequences"),
    ROW("mask_zero_score", scores_of_zero, "masked scores are 0 instead of -infinity"),
    ROW("mask_after_softmax", masked_after,
        "keys that a row does not see count in its denominator: the mask comes after the softmax"),
    ROW("masked_row_uniform", blind_rows_average,
        "a row that sees no key averages all values instead of giving zeros"),
    ROW("drops_last_tile", whole_tiles, "the last, partial tile of keys is left out"),
    ROW("drops_last_whole_tile", last_tile, "the last tile of keys is left out, also a whole one"),
    ROW("keys_rounded_down", whole_eights, "keys beyond a multiple of 8 are left out"),
    ROW("window_of_a_tile", last_tile_only, "only a tile's worth of the last keys is seen"),
    ROW("skips_tile_start", tile_starts_skipped, "the first key of every later tile is left out"),
    ROW("tile_start_twice", tile_starts_twice, "the first key of every later tile counts twice"),
    ROW("padding_counted", padding_counts, "the zeros that fill up the last tile count as keys"),
    ROW("gqa_interleaved", heads_interleaved, "query head h reads key head h mod H_kv"),
    ROW("gqa_first_head", first_key_head, "every query head reads key head 0"),
    ROW("gqa_next_head", next_key_head, "every query head reads the next key head"),
    ROW("batch_zero", first_batch, "every entry of the batch reads the first one's keys"),
    ROW("next_batch", next_batch, "every entry of the batch reads the next one's keys"),
    ROW("keys_one_on", keys_one_on, "keys are read one row on"),
    ROW("keys_one_back", keys_one_back, "keys are read one row back"),
    ROW("values_one_on", all_values_one_on, "values are read one row on"),
    ROW("values_one_back", all_values_one_back, "values are read one row back"),
    ROW("stale_key_tile", stale_keys, "the second tile reads the first tile's keys"),
    ROW("stale_value_tile", stale_values, "the second tile reads the first tile's values"),
    ROW("values_shifted", values_one_on, "values of later tiles are read one row on"),
    ROW("keys_and_values_swapped", keys_for_values, "keys and values are taken for each other"),
    ROW("keys_transposed", keys_transposed, "keys are read as [D, S_kv]"),
    ROW("values_transposed", values_transposed, "values are read as [D, S_kv]"),
    ROW("scale_inverse_dim", scale_of_dim,
        "scores are scaled by 1/D instead of 1/√D, or twice by 1/√D"),
    ROW("scale_dim_minus_one", scale_of_dim_minus_one, "scores are scaled by 1/√(D-1)"),
    ROW("scale_missing", no_scale, "scores are not scaled"),
    ROW("scale_of_64", scale_of_64, "scores are scaled by 1/8 whatever D is"),
    ROW("scores_doubled", scale_by_two<1>, "scores are twice as large"),
    ROW("scores_halved", scale_by_two<-1>, "scores are half as large"),
    ROW("scores_times_4", scale_by_two<2>, "scores are four times as large"),
    ROW("scores_by_4", scale_by_two<-2>, "scores are a quarter as large"),
    ROW("last_dim_ignored", last_dim, "the last element of head_dim is not in the scores"),
    ROW("exp_base_two", base_two, "2^x is computed where e^x is meant"),
    ROW("sum_not_rescaled", keep_sum, "the denominator is not rescaled when the maximum moves"),
    ROW("output_not_rescaled", keep_output, "the output is not rescaled when the maximum moves"),
    ROW("rescaled_twice", rescale_twice, "sums are rescaled twice when the maximum moves"),
    ROW("denominator_without_last_tile", sum_without_last_tile,
        "the last tile is not in the denominator"),
    ROW("not_normalised", no_division, "the division by the denominator is missing"),
    ROW("normalised_per_tile", divide_each_tile, "the output is divided after every tile"),
    ROW("halves_averaged", average_parts<2>,
        "two halves of the keys are averaged, not weighted by their denominators"),
    ROW("quarters_averaged", average_parts<4>,
        "four parts of the keys are averaged, not weighted by their denominators"),
    ROW("scores_in_storage", rounds_scores, "scores are rounded to the storage type"),
    ROW("weights_in_storage", rounds_weights,
        "weights are rounded to the storage type before the division, undeclared"),
    ROW("probabilities_in_storage", rounds_probabilities,
        "probabilities are rounded to the storage type, undeclared"),
    ROW("denominator_in_storage", rounds_sum, "the denominator is kept in the storage type"),
    ROW("output_in_storage", rounds_output, "the running output is kept in the storage type"),
    ROW("rescale_in_storage", rounds_rescale,
        "the rescaling factor is rounded to the storage type"),
    ROW("queries_in_storage", rounds_query, "scaled queries are rounded to the storage type"),
    ROW("inputs_in_bf16", reads_bits<7>, "inputs are read through bf16"),
    ROW("inputs_in_tf32", reads_bits<10>, "inputs are read with ten bits of fraction (TF32)"),
    ROW("scores_from_bf16", scores_of_bits<7>, "queries and keys are read through bf16"),
    ROW("scores_from_tf32", scores_of_bits<10>,
        "queries and keys are read with ten bits of fraction (TF32)"),
    ROW("values_in_bf16", values_of_bits<7>, "values are read through bf16"),
    ROW("values_in_tf32", values_of_bits<10>, "values are read with ten bits of fraction (TF32)"),
    ROW("values_in_f8", values_of_bits<3>, "values keep three bits of fraction"),
    {"truncated", "the output is rounded towards zero", nullptr, rounding_only,
     FaultRounding::truncated},
    {"away", "the output is rounded away from zero", nullptr, rounding_only, FaultRounding::away},
    OUTPUT("zero_rows", rows_of_zeros,
           "whole rows are zero: they were not written, or their denominator came out as 0"),
    OUTPUT("zero_tail", tail_of_zeros, "the end of the output is zero: it was not written"),
    OUTPUT("output_doubled", times_two<1>, "the output is twice as large"),
    OUTPUT("output_halved", times_two<-1>, "the output is half as large"),
    OUTPUT("output_times_4", times_two<2>, "the output is four times as large"),
    OUTPUT("output_by_4", times_two<-2>, "the output is a quarter as large"),
    OUTPUT("output_negated", negated, "the output has the other sign"),
    OUTPUT("stale_row", last_row_stale, "the last row repeats the one before"),
    OUTPUT("rows_swapped", first_rows_swapped, "the first two rows are swapped"),
    OUTPUT("heads_swapped", first_heads_swapped, "the first two heads are swapped"),
    OUTPUT("layout_transposed", sequence_before_heads,
           "the output is written as [sequence, heads] instead of [heads, sequence]"),
    OUTPUT("head_transposed", rows_and_columns, "rows and columns of every head are transposed"),
    OUTPUT("halves_swapped", halves, "the two halves of every row are swapped"),
    OUTPUT("last_column_zero", last_column, "the last element of every row is zero"),
};

}  // namespace

std::span<const CommonFault> common_faults() {
  return kFaults;
}

}  // namespace refute::instruments
