// Planted faults are named, noise is not.

#include "harness/instruments/fault_locator.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "fixtures/mutants/attention_mutants.hpp"
#include "fixtures/mutants/attention_outside_faults.hpp"
#include "harness/catch.hpp"

namespace refute::instruments {
namespace {

using mutants::KernelInputs;
using mutants::KernelShape;
using mutants::Storage;

constexpr std::size_t kTile = 64;

struct Source {
  std::uint64_t state;
  double uniform() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 40) * 0x1p-24;
  }
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
};

KernelShape shape_of(const oracles::AttentionProblem& p, Storage storage) {
  KernelShape s;
  s.storage = storage;
  s.batch = p.batch, s.heads_q = p.heads_q, s.heads_kv = p.heads_kv;
  s.seq_q = p.seq_q, s.seq_kv = p.seq_kv, s.head_dim = p.head_dim, s.causal = p.causal;
  return s;
}

KernelInputs inputs(const KernelShape& s, std::uint64_t seed, float amplitude) {
  Source source{seed};
  const auto draw = [&](std::size_t n, float size) {
    std::vector<float> x(n);
    for (float& v : x) v = mutants::stored(s.storage, static_cast<float>(source.normal()) * size);
    return x;
  };
  const std::size_t keys = s.batch * s.heads_kv * s.seq_kv * s.head_dim;
  KernelInputs in;
  in.a = draw(s.rows() * s.head_dim, amplitude);
  in.b = draw(keys, amplitude);
  in.c = draw(keys, 1);
  return in;
}

FaultObservation observe(const oracles::AttentionProblem& p, Storage storage,
                         const KernelInputs& in, std::vector<float> actual) {
  FaultObservation o;
  o.problem = p;
  o.format = static_cast<metrics::Format>(storage);
  o.q = in.a, o.k = in.b, o.v = in.c;
  o.actual = std::move(actual);
  metrics::DeclaredPrecision precision;
  precision.output = o.format;
  measure_against_oracle(o, precision, metrics::kSixDeviations);
  REQUIRE(o.sound());
  return o;
}

std::vector<FaultObservation> observations(Storage storage, std::uint64_t seed,
                                           mutants::RunKernel run) {
  std::vector<FaultObservation> all;
  for (const TellingProblem& t : telling_problems()) {
    const KernelShape s = shape_of(t.problem, storage);
    const KernelInputs in = inputs(s, seed, t.far_apart ? 10.0f : 1.0f);
    all.push_back(observe(t.problem, storage, in, run(s, in)));
  }
  return all;
}

mutants::RunKernel mutant(std::string_view name) {
  for (const auto& row : mutants::attention_mutants()) {
    if (row.name == name) return row.run;
  }
  FAIL("no mutant " << name);
  return nullptr;
}

/// A planted fault, the type it is planted in, and what it is to be called.
struct Planted {
  const char* mutant;
  Storage storage;
  const char* name;
};
using enum Storage;
constexpr Planted kPlanted[] = {
    {"drops_last_key", bf16, "drops_last_key"},
    {"drops_first_key", f32, "drops_first_key"},
    {"drops_partial_tile", bf16, "drops_last_tile"},
    {"keys_rounded_down", f16, "keys_rounded_down"},
    {"causal_ignored", f32, "causal_ignored"},
    {"causal_leaks_one", bf16, "causal_leaks_one"},
    {"causal_strict", f16, "causal_off_by_one"},
    {"causal_top_left", bf16, "causal_top_left"},
    {"window_of_a_tile", f32, "window_of_a_tile"},
    {"skips_tile_start", bf16, "skips_tile_start"},
    {"boundary_key_twice", f32, "tile_start_twice"},
    {"tail_counted", f16, "padding_counted"},
    {"mask_zero_score", bf16, "mask_zero_score"},
    {"masked_row_uniform", f32, "masked_row_uniform"},
    {"gqa_interleaved", bf16, "gqa_interleaved"},
    {"gqa_first_head", f32, "gqa_first_head"},
    {"gqa_next_head", f16, "gqa_next_head"},
    {"batch_zero", bf16, "batch_zero"},
    {"stale_key_tile", f32, "stale_key_tile"},
    {"stale_value_tile", bf16, "stale_value_tile"},
    {"values_shifted", f16, "values_shifted"},
    {"heads_swapped", bf16, "heads_swapped"},
    {"layout_transposed", f32, "layout_transposed"},
    {"scale_inverse_dim", bf16, "scale_inverse_dim"},
    {"scale_dim_minus_one", f32, "scale_dim_minus_one"},
    {"scale_missing", f32, "scale_missing"},
    {"scale_of_64", bf16, "scale_of_64"},
    {"last_dim_ignored", f32, "last_dim_ignored"},
    {"scores_in_storage", f16, "scores_in_storage"},
    {"inputs_in_bf16", f32, "inputs_in_bf16"},
    {"inputs_in_tf32", f32, "inputs_in_tf32"},
    {"exp_base_two", bf16, "exp_base_two"},
    {"max_not_subtracted", f32, "max_not_subtracted"},
    {"sum_not_rescaled", f32, "sum_not_rescaled"},
    {"output_not_rescaled", bf16, "output_not_rescaled"},
    {"rescale_every_tile_twice", f16, "rescaled_twice"},
    {"denominator_without_last_tile", bf16, "denominator_without_last_tile"},
    {"not_normalised", f32, "not_normalised"},
    {"normalised_per_tile", f32, "normalised_per_tile"},
    {"weights_in_storage", bf16, "weights_in_storage"},
    {"denominator_in_storage", bf16, "denominator_in_storage"},
    {"output_in_storage", bf16, "output_in_storage"},
    {"rescale_in_storage", bf16, "rescale_in_storage"},
    {"queries_scaled_in_storage", f16, "queries_in_storage"},
    {"values_in_f8", f32, "values_in_f8"},
    {"truncated", bf16, "truncated"},
    {"away", f16, "away"},
    {"scaled_up", bf16, "output_times_factor"},
    {"scaled_half", f32, "output_halved"},
    {"last_row_zero", bf16, "zero_rows"},
    {"stale_row", f32, "stale_row"},
    {"rows_swapped", bf16, "rows_swapped"},
    {"halves_swapped", f16, "halves_swapped"},
    {"last_column_zero", bf16, "last_column_zero"},
    {"all_nan", f32, "all_nan"},
};

mutants::RunKernel outside(std::string_view name) {
  for (const auto& fault : mutants::outside_faults()) {
    if (fault.name == name) return fault.run;
  }
  FAIL("no fault from outside is called " << name);
  return nullptr;
}

std::string joined(const std::vector<FaultName>& names) {
  std::string text;
  for (const FaultName& n : names) text += n.name + " ";
  return text;
}

}  // namespace

TEST_CASE("every planted fault is named, and as nothing else") {
  std::uint64_t seed = 0;
  for (const Planted& p : kPlanted) {
    const auto all = observations(p.storage, seed++ % 3 + 1, mutant(p.mutant));
    const auto names = name_fault(all, kTile);
    INFO(p.mutant << " was called: " << joined(names));
    CHECK(names.size() == 1);
    if (names.empty()) continue;
    CHECK(names.front().name == p.name);
    CHECK(names.front().explained >= 0.99);
  }
}

namespace {

using Spoil = void (*)(const KernelShape&, std::vector<float>&);

void repeat_a_row(const KernelShape& s, std::vector<float>& out) {
  const std::size_t d = s.head_dim, row = s.seq_q / 2 + 1;
  std::copy_n(&out[(row - 1) * d], d, &out[row * d]);
}
void swap_two_rows(const KernelShape& s, std::vector<float>& out) {
  const std::size_t d = s.head_dim, last = s.rows() - 1;
  std::swap_ranges(&out[2 * d], &out[3 * d], &out[last * d]);
}
void turn_heads(const KernelShape& s, std::vector<float>& out) {
  const std::size_t entry = s.heads_q * s.seq_q * s.head_dim, head = s.seq_q * s.head_dim;
  for (std::size_t b = 0; b < s.batch; ++b) {
    float* first = &out[b * entry];
    std::rotate(first, first + head, first + entry);
  }
}
void interleave_columns(const KernelShape& s, std::vector<float>& out) {
  const std::size_t d = s.head_dim;
  for (std::size_t i = 0; i < out.size(); i += d) {
    const std::vector<float> row(&out[i], &out[i] + d);
    for (std::size_t x = 0; x < d; ++x) out[i + x] = row[x % 2 * (d / 2) + x / 2];
  }
}
void double_all(const KernelShape&, std::vector<float>& out) {
  for (float& x : out) x *= 2;
}
void negate(const KernelShape&, std::vector<float>& out) {
  for (float& x : out) x = -x;
}
void lose_tail(const KernelShape& s, std::vector<float>& out) {
  std::fill(out.end() - static_cast<std::ptrdiff_t>(s.head_dim + 5), out.end(), 0.0f);
}
void write_columns_first(const KernelShape& s, std::vector<float>& out) {
  const std::size_t d = s.head_dim, n = s.seq_q;
  const std::vector<float> right = out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i / (n * d) * n * d + i % d * n + i / d % n] = right[i];
  }
}

struct Spoiled {
  Spoil spoil;
  const char* name;
};

std::vector<FaultObservation> spoiled(Storage storage, Spoil spoil) {
  std::vector<FaultObservation> all;
  for (const TellingProblem& t : telling_problems()) {
    const KernelShape s = shape_of(t.problem, storage);
    const KernelInputs in = inputs(s, 4, t.far_apart ? 10.0f : 1.0f);
    std::vector<float> out = mutants::unmutated(s, in);
    spoil(s, out);
    all.push_back(observe(t.problem, storage, in, std::move(out)));
  }
  return all;
}

/// A kernel with other inputs than it was given, for faults in how it reads them.
std::vector<FaultObservation> misread(void (*change)(const KernelShape&, KernelInputs&)) {
  std::vector<FaultObservation> all;
  for (const TellingProblem& t : telling_problems()) {
    const KernelShape s = shape_of(t.problem, f32);
    const KernelInputs in = inputs(s, 5, t.far_apart ? 10.0f : 1.0f);
    KernelInputs other = in;
    change(s, other);
    all.push_back(observe(t.problem, f32, in, mutants::unmutated(s, other)));
  }
  return all;
}

void swap_keys_and_values(const KernelShape&, KernelInputs& in) {
  std::swap(in.b, in.c);
}
void transpose(const KernelShape& s, std::vector<float>& x) {
  const std::size_t d = s.head_dim, n = s.seq_kv;
  const std::vector<float> right = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t head = i / (n * d) * n * d;
    x[i] = right[head + i % d * n + i / d % n];
  }
}
void transpose_keys(const KernelShape& s, KernelInputs& in) {
  transpose(s, in.b);
}
void transpose_values(const KernelShape& s, KernelInputs& in) {
  transpose(s, in.c);
}

std::string only_name(const std::vector<FaultName>& names) {
  return names.size() == 1 ? names.front().name : "(" + joined(names) + ")";
}

}  // namespace

TEST_CASE("right results in wrong places are named") {
  constexpr Spoiled kSpoiled[] = {
      {repeat_a_row, "stale_row"},     {swap_two_rows, "rows_swapped"},
      {turn_heads, "heads_misplaced"}, {interleave_columns, "columns_misplaced"},
      {double_all, "output_doubled"},  {negate, "output_negated"},
      {lose_tail, "zero_tail"},        {write_columns_first, "head_transposed"},
  };
  for (const Spoiled& s : kSpoiled)
    CHECK(only_name(name_fault(spoiled(f16, s.spoil), kTile)) == s.name);
}

TEST_CASE("inputs that are read wrongly are named") {
  CHECK(only_name(name_fault(misread(swap_keys_and_values), kTile)) == "keys_and_values_swapped");
  CHECK(only_name(name_fault(misread(transpose_keys), kTile)) == "keys_transposed");
  CHECK(only_name(name_fault(misread(transpose_values), kTile)) == "values_transposed");
}

namespace {

/// Σ over the keys that are seen, divided by Σ over all: the mask comes after the softmax.
std::vector<float> masked_late(const KernelShape& s, const KernelInputs& in) {
  const std::size_t d = s.head_dim;
  std::vector<float> out(in.a.size());
  for (std::size_t r = 0; r < s.rows(); ++r) {
    const std::size_t head = r / s.seq_q, end = r % s.seq_q + 1 + s.seq_kv;
    const std::size_t shared =
        (head / s.heads_q * s.heads_kv + head % s.heads_q / (s.heads_q / s.heads_kv)) * s.seq_kv *
        d;
    const std::size_t seen = !s.causal ? s.seq_kv : end > s.seq_q ? end - s.seq_q : 0;
    std::vector<double> score(s.seq_kv), sum(d);
    double most = -1e300, total = 0;
    for (std::size_t j = 0; j < s.seq_kv; ++j) {
      for (std::size_t x = 0; x < d; ++x) {
        score[j] += static_cast<double>(in.a[r * d + x]) * in.b[shared + j * d + x];
      }
      most = std::max(most, score[j] *= s.scale());
    }
    for (std::size_t j = 0; j < s.seq_kv; ++j) {
      const double p = std::exp(score[j] - most);
      total += p;
      for (std::size_t x = 0; x < d && j < seen; ++x) sum[x] += p * in.c[shared + j * d + x];
    }
    for (std::size_t x = 0; x < d; ++x) {
      out[r * d + x] = mutants::stored(s.storage, static_cast<float>(sum[x] / total));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("a mask that comes after the softmax is named") {
  CHECK(only_name(name_fault(observations(bf16, 2, masked_late), kTile)) == "mask_after_softmax");
}

TEST_CASE("faults at a tile's edge are found with another tile") {
  const auto names = name_fault(observations(bf16, 9, mutant("skips_tile_start")), 48);
  REQUIRE(only_name(names) == "skips_tile_start");
  CHECK(names.front().sentence.find("with tiles of 64 keys") != std::string::npos);
}

TEST_CASE("a right kernel has no fault and no place") {
  for (const Storage storage : {f32, f16, bf16}) {
    for (const auto& kernel : mutants::correct_kernels()) {
      if (kernel.op != mutants::KernelOp::attention) continue;
      const auto all = observations(storage, 3, kernel.run);
      INFO(kernel.name);
      CHECK(name_fault(all, kTile).empty());
      for (const auto& o : all) CHECK(sentence(locate_fault(o, kTile)).empty());
    }
  }
}

namespace {

/// Which elements noise is added to.
enum class Spot { everywhere, a_row, a_head, a_column, sparse, the_tail };

bool hit(Spot spot, const oracles::AttentionProblem& p, std::size_t i, Source& source) {
  const std::size_t row = i / p.head_dim;
  switch (spot) {
    case Spot::everywhere:
      return true;
    case Spot::a_row:
      return row == p.seq_q / 2;
    case Spot::a_head:
      return row / p.seq_q == 1;
    case Spot::a_column:
      return i % p.head_dim == 5;
    case Spot::sparse:
      return source.uniform() < 0.01;
    case Spot::the_tail:
      return row + 1 == p.batch * p.heads_q * p.seq_q;
  }
  return false;
}

}  // namespace

TEST_CASE("noise is given no name") {
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    for (const Spot spot : {Spot::everywhere, Spot::a_row, Spot::a_head, Spot::a_column,
                            Spot::sparse, Spot::the_tail}) {
      Source source{seed * 77};
      const TellingProblem& t = telling_problems()[seed % telling_problems().size()];
      const Storage storage = static_cast<Storage>(seed % 3);
      const KernelShape s = shape_of(t.problem, storage);
      const KernelInputs in = inputs(s, seed, 1);
      std::vector<float> out = mutants::unmutated(s, in);
      const auto size = static_cast<float>(std::ldexp(1.0, static_cast<int>(seed % 8) - 5));
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (!hit(spot, t.problem, i, source)) continue;
        out[i] = mutants::stored(storage, out[i] + size * static_cast<float>(source.normal()));
      }
      const FaultObservation one[] = {observe(t.problem, storage, in, std::move(out))};
      const auto names = name_fault(one, kTile);
      INFO("seed " << seed << " spot " << static_cast<int>(spot) << ": " << joined(names));
      CHECK(names.empty());
      CHECK(sentence(names) == "no common fault explains it");
    }
  }
}

TEST_CASE("a single key left out or counted twice is found") {
  const oracles::AttentionProblem p{1, 2, 1, 12, 200, 64, false, 0.125, 1};
  const KernelShape s = shape_of(p, f32);
  const KernelInputs in = inputs(s, 5, 1);
  for (const std::size_t key : {std::size_t{3}, std::size_t{70}, std::size_t{131}}) {
    // Twice the key: the kernel sees 201 keys, the last a copy.
    KernelShape longer = s;
    longer.seq_kv = 201;
    KernelInputs twice = in;
    for (std::vector<float>* x : {&twice.b, &twice.c}) {
      const std::vector<float> row(&(*x)[key * 64], &(*x)[key * 64] + 64);
      x->insert(x->end(), row.begin(), row.end());
    }
    const FaultObservation o[] = {observe(p, f32, in, mutants::unmutated(longer, twice))};
    const auto names = name_fault(o, kTile);
    REQUIRE(names.size() == 1);
    CHECK(names.front().name == "key_twice");
    CHECK(names.front().sentence.find("key " + std::to_string(key) + " (tile " +
                                      std::to_string(key / 64)) == 0);
    CHECK(locate_fault(o[0], kTile).key_tile == key / 64);
  }
}

TEST_CASE("where it is wrong is told in the kernel's coordinates") {
  const oracles::AttentionProblem p{2, 4, 2, 70, 70, 64, true, 0.125, 1};
  const KernelShape s = shape_of(p, bf16);
  const KernelInputs in = inputs(s, 6, 1);
  const std::vector<float> right = mutants::unmutated(s, in);

  SECTION("one element") {
    std::vector<float> out = right;
    out[((1 * 4 + 2) * 70 + 65) * 64 + 3] += 1;
    const FaultPlace place = locate_fault(observe(p, bf16, in, out), kTile);
    CHECK(place.wrong == 1);
    CHECK(sentence(place).find("1 of 35840 elements: batch entry 1 of 2, head 2 of 4, row 65 of 70 "
                               "(1 modulo 64), column 3 of 64;") == 0);
    CHECK(place.worst_row == 65);
  }
  SECTION("a column of a vector's width") {
    std::vector<float> out = right;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (i % 16 == 7) out[i] += 1;
    }
    CHECK(
        sentence(locate_fault(observe(p, bf16, in, out), kTile))
            .find(
                "all 2 batch entries, all 4 heads, all 70 rows, the 4 columns, each 7 modulo 16") !=
        std::string::npos);
  }
  SECTION("rows that see a key of the second tile") {
    const FaultPlace place =
        locate_fault(observe(p, bf16, in, mutant("stale_value_tile")(s, in)), kTile);
    REQUIRE(place.first_key.has_value());
    CHECK(*place.first_key == 64);
    CHECK(place.key_tile == std::nullopt);  // other values, not other weights
  }
  SECTION("the last key that every row sees") {
    const FaultPlace place =
        locate_fault(observe(p, bf16, in, outside("own_last_key")(s, in)), kTile);
    CHECK(place.key_from_end == 0u);
    CHECK(sentence(place).find("the error lies along the last key that a row sees") !=
          std::string::npos);
  }
  SECTION("one key of all") {
    const FaultPlace place = locate_fault(observe(p, bf16, in, outside("key_17")(s, in)), kTile);
    CHECK(place.key == 17u);
    CHECK(place.first_key == 17u);
  }
  SECTION("every row that sees a key says nothing of key 0") {
    const oracles::AttentionProblem wide{1, 2, 1, 90, 50, 64, true, 0.125, 1};
    const KernelShape w = shape_of(wide, bf16);
    const KernelInputs wide_in = inputs(w, 6, 1);
    const FaultPlace place =
        locate_fault(observe(wide, bf16, wide_in, outside("negative")(w, wide_in)), kTile);
    CHECK(place.first_key == std::nullopt);
    CHECK(place.rows_seeing == 1);
    CHECK(sentence(place).find("all 50 rows that see a key") != std::string::npos);
  }
  SECTION("two rows that leave the same by chance") {
    std::vector<float> out = right;
    for (const std::size_t row : {2, 66}) out[row * 64] += 1;
    const std::string text = sentence(locate_fault(observe(p, bf16, in, out), kTile));
    CHECK(text.find("rows 2, 66 of 70") != std::string::npos);
    CHECK(text.find("modulo") == std::string::npos);
  }
  SECTION("a NaN") {
    std::vector<float> out = right;
    out[64] = NAN;
    const FaultPlace place = locate_fault(observe(p, bf16, in, out), kTile);
    CHECK(place.not_finite == 1);
    CHECK(place.worst_row == 1);
  }
}

TEST_CASE("of places drawn at random nothing is said but which they are") {
  const oracles::AttentionProblem p{1, 2, 1, 130, 130, 64, true, 0.125, 1};
  const KernelShape s = shape_of(p, f32);
  const KernelInputs in = inputs(s, 8, 1);
  const FaultObservation right = observe(p, f32, in, mutants::unmutated(s, in));
  Source source{99};
  int claims = 0;
  for (int trial = 0; trial < 300; ++trial) {
    FaultObservation o = right;
    const auto wrong = static_cast<std::size_t>(1 + source.uniform() * 9);
    for (std::size_t i = 0; i < wrong; ++i) {
      const auto row = static_cast<std::size_t>(source.uniform() * 260);
      for (std::size_t x = 0; x < 64; ++x) {
        o.actual[row * 64 + x] += static_cast<float>(0.1 * source.normal());
      }
    }
    const FaultPlace place = locate_fault(o, kTile);
    const std::string text = sentence(place);
    claims += place.first_key || place.key || place.key_from_end || place.key_in_tile ||
              place.key_tile || text.find(", each ") != std::string::npos;
  }
  CHECK(claims <= 2);  // two kinds of claims that are as rare as one in a thousand
}

TEST_CASE("a factor near 1 is printed as what it is") {
  const TellingProblem& t = telling_problems().front();
  const KernelShape s = shape_of(t.problem, f32);
  const KernelInputs in = inputs(s, 3, 1);
  for (const auto& [factor, words] : {std::pair{1 + 0x1p-16f, "by 1.00002"}, {1.01f, "by 1.01"}}) {
    std::vector<float> out = mutants::unmutated(s, in);
    for (float& x : out) x *= factor;
    const FaultObservation o[] = {observe(t.problem, f32, in, out)};
    const auto names = name_fault(o, kTile);
    INFO(sentence(names));
    REQUIRE(!names.empty());
    CHECK(names.front().name == "output_times_factor");
    CHECK(names.front().sentence.find(words) != std::string::npos);
  }
}

TEST_CASE("nothing is rounded to a storage type of f32") {
  // One element over one key: rounding whatever comes on its way would give it.
  const oracles::AttentionProblem p{1, 1, 1, 1, 1, 64, false, 0.125, 1};
  const KernelShape s = shape_of(p, f32);
  const KernelInputs in = inputs(s, 7, 1);
  std::vector<float> off = mutants::unmutated(s, in);
  for (float& x : off) x *= 1 + 0x1p-20f;
  const FaultObservation o[] = {observe(p, f32, in, off)};
  for (const FaultName& n : name_fault(o, kTile)) {
    CHECK(n.name.find("in_storage") == std::string::npos);
  }
}

TEST_CASE("more names than a few are only counted") {
  const std::vector<FaultName> three(3, {"one", "this", 1}), four(4, {"one", "this", 1});
  CHECK(sentence(three) == "either one: this, or one: this, or one: this (100 % of the error)");
  CHECK(sentence(four) == "4 common faults explain it alike, so none is named");
}

TEST_CASE("faults that a case cannot tell apart are all told") {
  // One row over 65 keys: the last key is all there is of the last tile.
  const oracles::AttentionProblem p{1, 1, 1, 1, 65, 64, false, 0.125, 1};
  const KernelShape s = shape_of(p, f32);
  const KernelInputs in = inputs(s, 7, 1);
  const FaultObservation o[] = {observe(p, f32, in, mutant("drops_last_key")(s, in))};
  const auto names = name_fault(o, kTile);
  CHECK(names.size() > 1);
  CHECK(std::ranges::any_of(names, [](const FaultName& n) { return n.name == "drops_last_key"; }));
  CHECK(std::ranges::any_of(names, [](const FaultName& n) { return n.name == "drops_last_tile"; }));
}

}  // namespace refute::instruments
