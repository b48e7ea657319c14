// Names, pairs, chunks, bands and verdicts: the parts of a diff that decide something.

#include "harness/instruments/quant_diff.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "harness/catch.hpp"
#include "harness/instruments/quant_diff_bookkeeping.hpp"
#include "harness/instruments/quant_diff_judge.hpp"
#include "harness/instruments/quant_diff_names.hpp"
#include "harness/instruments/quant_diff_pair.hpp"
#include "harness/instruments/quant_diff_report.hpp"
#include "harness/instruments/quant_diff_source.hpp"
#include "harness/instruments/quant_diff_svg.hpp"
#include "harness/metrics/error.hpp"
#include "kernels/ggml_test_data.hpp"

namespace refute::instruments {
namespace {

using kernels::GgmlFormat;
using kernels::ggml_test::gaussian;
using tensor::DType;
using tensor::ModelTensor;
using tensor::TensorType;
using Floats = std::vector<float>;

ModelTensor f32_tensor(const Floats& values, std::vector<std::size_t> shape) {
  ModelTensor t;
  t.name.push_back('w');
  t.type = DType::f32;
  t.shape = std::move(shape);
  t.count = values.size();
  t.bytes = std::as_bytes(std::span(values));
  return t;
}

/// Two tensors of one shape, measured and judged.
struct Compared {
  PairResult result;
  DiffRow row;
};

Compared compare(const Floats& a, const Floats& b, const std::vector<std::size_t>& shape,
                 unsigned threads = 1) {
  const ModelTensor x = f32_tensor(a, shape), y = f32_tensor(b, shape);
  const TensorPair pair{.reference = &x, .other = &y};
  auto measured = measure_pairs(std::span(&pair, 1), {.threads = threads});
  DiffRow row = judge_pair(pair, measured.pairs[0], 0.95);
  return {std::move(measured.pairs[0]), std::move(row)};
}

DiffRow row_named(const std::string& name, double rmse) {
  DiffRow row;
  row.tensor = name;
  if (rmse >= 0) row.rmse = rmse;
  return row;
}

}  // namespace

TEST_CASE("names of Hugging Face become those of GGUF") {
  constexpr auto kPlain = NormPlacement::before_ffn;
  const std::map<std::string, std::string> table = {
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"lm_head.weight", "output.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"model.layers.31.self_attn.q_proj.weight", "blk.31.attn_q.weight"},
      {"model.layers.0.self_attn.k_proj.bias", "blk.0.attn_k.bias"},
      {"layers.7.mlp.down_proj.weight", "blk.7.ffn_down.weight"},
      {"model.layers.2.post_attention_layernorm.weight", "blk.2.ffn_norm.weight"},
      {"model.layers.2.self_attn.k_norm.weight", "blk.2.attn_k_norm.weight"},
      {"model.layers.2.self_attn.qkv_proj.weight", "blk.2.attn_qkv.weight"},
      {"language_model.model.layers.2.mlp.gate_up_proj.weight", "blk.2.ffn_up.weight"},
      {"blk.3.ffn_gate.weight", "blk.3.ffn_gate.weight"},
  };
  for (const auto& [hf, gguf] : table) CHECK(gguf_name(hf, kPlain) == gguf);
  for (const char* other :
       {"encoder.layer.0.attention.self.query.weight", "w", "", "model.layers.x",
        "model.layers.1.self_attn.q_proj", "model.layers..mlp.up_proj.weight"})
    CHECK_FALSE(gguf_name(other, kPlain));
  CHECK(gguf_name("model.layers.2.post_attention_layernorm.weight",
                  NormPlacement::after_attention) == "blk.2.post_attention_norm.weight");
  CHECK(norm_placement({"a", "model.layers.0.pre_feedforward_layernorm.weight"}) ==
        NormPlacement::after_attention);
  CHECK(layer_of("blk.12.attn_q.weight") == 12u);
  CHECK(layer_of("encoder.layer.3.x") == 3u);
  CHECK_FALSE(layer_of("player.3.x"));
}

TEST_CASE("rows of queries are read as GGUF interleaves them") {
  // One head of six rows: first and second half alternate.
  const std::vector<std::size_t> want = {0, 3, 1, 4, 2, 5};
  for (std::size_t row = 0; row < want.size(); ++row) CHECK(source_row(row, 6, 1) == want[row]);
  CHECK(source_row(4, 8, 2) == 4);
  CHECK(source_row(5, 8, 2) == 6);
}

TEST_CASE("chunks are whole groups, and whole blocks") {
  for (const std::size_t cols : {1, 63, 64, 384, 4096, 65536, 65537, 151936}) {
    for (const std::size_t block : {1, 32, 64, 256}) {
      const ChunkPlan plan = plan_chunks(std::size_t{1} << 28, cols, block);
      CHECK(plan.chunk % plan.group == 0);
      CHECK(plan.group % block == 0);
      CHECK(plan.chunk <= 1u << 17);
      CHECK(plan.rows == (cols >= 64 && cols <= 65536 && cols % block == 0));
    }
  }
}

TEST_CASE("numbers are those of the metrics, on any number of threads") {
  const std::vector<std::size_t> shape = {700, 300};
  const Floats a = gaussian(210'000, 1);
  Floats b = a;
  const Floats noise = gaussian(b.size(), 2);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] += 0.01f * noise[i];
  b[131'313] += 1;
  const Compared one = compare(a, b, shape);
  const auto want = metrics::measure(b, a);
  CHECK(std::fabs(one.row.rmse.value() - want.rmse.value()) <= 1e-7 * want.rmse.value());
  CHECK(std::fabs(one.row.cosine.value() - want.cosine.value()) <= 1e-12);
  CHECK(one.row.max_abs_index == 131'313);
  CHECK(one.row.worst.is_row);
  CHECK(one.row.worst.group == 131'313 / 300);
  for (const unsigned threads : {2u, 5u}) {
    const Compared many = compare(a, b, shape, threads);
    CHECK(many.result.sum_d2 == one.result.sum_d2);
    CHECK(many.result.sum_xy == one.result.sum_xy);
    CHECK(many.row.worst.group == one.row.worst.group);
  }
}

TEST_CASE("what is not finite has no numbers, and a place") {
  const Floats clean = gaussian(4 * 96, 3);
  Floats dirty = clean;
  dirty[100] = std::numeric_limits<float>::quiet_NaN();
  dirty[200] = -std::numeric_limits<float>::infinity();
  for (const auto& [a, b] : {std::pair(clean, dirty), {dirty, clean}, {dirty, dirty}}) {
    const DiffRow row = compare(a, b, {4, 96}).row;
    CHECK(row.has(DiffFindingKind::non_finite));
    CHECK_FALSE(row.has(DiffFindingKind::threshold));
    CHECK_FALSE(row.rmse.defined());
    CHECK_FALSE(row.cosine.defined());
    CHECK(row.verdict == DiffVerdict::red);
    CHECK(row.findings[0].message.find(
              "1 NaN and 1 infinite values, the first at element [1, 4]") != std::string::npos);
  }
  const DiffRow beyond = compare({3e38f, 1}, {-3e38f, 1}, {2}).row;
  CHECK(beyond.has(DiffFindingKind::non_finite));
}

TEST_CASE("zeros, nothing, and one side of zeros") {
  const Floats zeros(64), values = gaussian(64, 4);
  const DiffRow equal = compare(zeros, zeros, {64}).row;
  CHECK(equal.findings.empty());
  CHECK(equal.verdict == DiffVerdict::green);
  CHECK(equal.band_verdict == BandVerdict::exact);
  CHECK(compare(values, zeros, {64}).row.has(DiffFindingKind::threshold));
  CHECK(compare(zeros, values, {64}).row.has(DiffFindingKind::threshold));
  const DiffRow empty = compare({}, {}, {0}).row;
  CHECK(empty.verdict == DiffVerdict::none);
  CHECK(empty.findings.empty());
}

TEST_CASE("a copy with other values is a finding, few or all") {
  const Floats a = gaussian(100'000, 5);
  Floats few = a, all = a;
  few[77'777] += 0.5f;
  for (float& v : all) v *= 1.001f;
  const DiffRow damaged = compare(a, few, {100, 1000}).row;
  REQUIRE(damaged.has(DiffFindingKind::changed));
  CHECK(damaged.findings[0].message.find("[77, 777]") != std::string::npos);
  const DiffRow other = compare(a, all, {100, 1000}).row;
  CHECK(other.has(DiffFindingKind::changed));
  CHECK(other.findings[0].message.find("norm is 1.001 times") != std::string::npos);
  CHECK(other.band_verdict == BandVerdict::above);
}

/// What is said of two tensors with these bytes, without a cosine gate.
template <class A, class B>
DiffRow judge_stored(TensorType from, const std::vector<A>& a, TensorType to,
                     const std::vector<B>& b, std::size_t count) {
  ModelTensor x, y;
  x.name = y.name = std::string(1, 'w');
  x.type = std::move(from), y.type = std::move(to);
  x.shape = y.shape = {count};
  x.count = y.count = count;
  x.bytes = std::as_bytes(std::span(a)), y.bytes = std::as_bytes(std::span(b));
  const TensorPair pair{.reference = &x, .other = &y};
  return judge_pair(pair, measure_pairs(std::span(&pair, 1), {}).pairs[0], std::nullopt);
}

bool says(const DiffRow& row, std::string_view text) {
  return std::ranges::any_of(row.findings, [&](const DiffFinding& f) {
    return f.message.find(text) != std::string::npos;
  });
}

TEST_CASE("a copy at another scale is a finding without a cosine gate") {
  const std::vector<std::uint16_t> one(256, 0x3C00), two(256, 0x4000);  // F16; BF16 all the same
  for (const DType type : {DType::f16, DType::bf16}) {
    const DiffRow row = judge_stored(type, one, type, two, 256);
    CHECK(row.has(DiffFindingKind::changed));
    CHECK(says(row, "256 of 256 values"));
    CHECK(judge_stored(type, one, type, one, 256).findings.empty());
  }
  const std::vector<std::uint16_t> bf16(64, 0x3F80);
  CHECK(judge_stored(DType::bf16, bf16, DType::f32, Floats(64, 1.0f), 64).findings.empty());
  CHECK(judge_stored(DType::bf16, bf16, DType::f32, Floats(64, 1.5f), 64)
            .has(DiffFindingKind::changed));
}

TEST_CASE("FP8 codes without their scales are a finding") {
  const std::vector<std::uint8_t> codes(256, 0x7E);  // 448
  const DiffRow row = judge_stored(DType::f32, Floats(256, 1.0f), DType::f8_e4m3, codes, 256);
  CHECK(row.has(DiffFindingKind::scale));
  CHECK(row.has(DiffFindingKind::beyond_band));
  CHECK(says(row, "no scale tensor"));
  const std::vector<std::uint8_t> ones(256, 0x38);
  CHECK(judge_stored(DType::f32, Floats(256, 1.0f), DType::f8_e4m3, ones, 256).findings.empty());
  CHECK(judge_stored(DType::f32, Floats(256, 1.0f), DType::i8, codes, 256)
            .has(DiffFindingKind::scale));
}

TEST_CASE("quantised copies are equal to the byte, or say where they are not") {
  const Floats x = gaussian(1024, 6);
  std::vector<std::uint8_t> q8(1024 / 32 * 34);
  REQUIRE(kernels::cpu_scalar::ggml_quantize(GgmlFormat::q8_0, x, q8).status ==
          kernels::GgmlStatus::ok);
  const DiffRow equal = judge_stored(GgmlFormat::q8_0, q8, GgmlFormat::q8_0, q8, 1024);
  CHECK(equal.findings.empty());
  CHECK(equal.band_verdict == BandVerdict::exact);
  auto other = q8;
  other[3 * 34 + 2 + 5] ^= 1;
  const DiffRow row = judge_stored(GgmlFormat::q8_0, q8, GgmlFormat::q8_0, other, 1024);
  CHECK(row.has(DiffFindingKind::changed));
  CHECK(row.band_verdict == BandVerdict::above);
  CHECK(says(row, "1 of 32 blocks"));
  CHECK(says(row, "block 3, element 5 of it"));
}

TEST_CASE("another scale of a quantised copy is a finding, and so is another code") {
  const std::vector<std::uint8_t> codes(64, 0x38);
  auto other_codes = codes;
  other_codes[37] ^= 1;
  const Floats scales = {1, 1, 1, 1}, other_scales = {1, 1, 1.5f, 1};
  const auto fp8 = [](const std::vector<std::uint8_t>& stored, const Floats& by) {
    ModelTensor t;
    t.name = std::string(1, 'w');
    t.type = tensor::ScaledFp8{kernels::Fp8Format::e4m3, 1, 16};
    t.shape = {4, 16};
    t.count = 64;
    t.bytes = std::as_bytes(std::span(stored));
    t.scales = {.name = "w_scale", .type = DType::f32, .bytes = std::as_bytes(std::span(by))};
    return t;
  };
  const ModelTensor x = fp8(codes, scales);
  const auto judged = [&](const ModelTensor& y) {
    const TensorPair pair{.reference = &x, .other = &y};
    return judge_pair(pair, measure_pairs(std::span(&pair, 1), {}).pairs[0], std::nullopt);
  };
  CHECK(judged(fp8(codes, scales)).band_verdict == BandVerdict::exact);
  CHECK(says(judged(fp8(codes, other_scales)), "scales differ, first that of block 2"));
  CHECK(says(judged(fp8(other_codes, scales)), "block 2, element 5 of it (element [2, 5])"));
}

TEST_CASE("whole numbers and F64 are compared exactly, in any width") {
  using I64 = std::vector<std::int64_t>;
  using I32 = std::vector<std::int32_t>;
  CHECK(judge_stored(DType::i64, I64{1, -2}, DType::i32, I32{1, -2}, 2).findings.empty());
  const DiffRow row =
      judge_stored(DType::i64, I64{1, 1 << 25}, DType::i32, I32{1, (1 << 25) + 1}, 2);
  CHECK(row.has(DiffFindingKind::changed));
  CHECK(row.band_verdict == BandVerdict::above);
  const DiffRow big = judge_stored(DType::i64, I64{1LL << 40}, DType::i64, I64{(1LL << 40) + 1}, 1);
  CHECK(big.has(DiffFindingKind::changed));
  CHECK(big.band_verdict == BandVerdict::above);
  using F64 = std::vector<double>;
  CHECK(judge_stored(DType::f64, F64{1}, DType::f64, F64{1 + 1e-12}, 1).band_verdict ==
        BandVerdict::above);
  CHECK(judge_stored(DType::f64, F64{1 + 1e-12}, DType::f32, Floats{1}, 1).findings.empty());
  CHECK(judge_stored(DType::f32, Floats{1}, DType::f64, F64{1 + 1e-12}, 1)
            .has(DiffFindingKind::changed));
}

TEST_CASE("an error far beyond the band is a finding without a cosine gate") {
  const Floats x = gaussian(4096, 7), unlike = gaussian(4096, 8);
  std::vector<std::uint8_t> q8(4096 / 32 * 34);
  REQUIRE(kernels::cpu_scalar::ggml_quantize(GgmlFormat::q8_0, unlike, q8).status ==
          kernels::GgmlStatus::ok);
  CHECK(judge_stored(DType::f32, x, GgmlFormat::q8_0, q8, 4096).has(DiffFindingKind::beyond_band));
  CHECK(judge_stored(DType::f32, unlike, GgmlFormat::q8_0, q8, 4096).findings.empty());
}

TEST_CASE("bounds of values are counted in values, and findings are printed whole") {
  const std::vector<std::uint8_t> codes(256, 0x7E);
  const Floats scale = {1};
  const Floats ones(256, 1.0f);
  ModelTensor x = f32_tensor(ones, {1, 256}), y = x;
  y.type = tensor::ScaledFp8{kernels::Fp8Format::e4m3, 1, 256};
  y.bytes = std::as_bytes(std::span(codes));
  y.scales = {.name = "w_scale", .type = DType::f32, .bytes = std::as_bytes(std::span(scale))};
  const TensorPair pair{.reference = &x, .other = &y};
  DiffReport report;
  report.rows.push_back(
      judge_pair(pair, measure_pairs(std::span(&pair, 1), {}).pairs[0], std::nullopt));
  CHECK(says(report.rows[0], "256 of 256 values"));
  report.rows[0].findings.push_back(
      {DiffFindingKind::scale, std::string(200, ' ') + "to the last word"});
  CHECK(diff_text(report, {}).find("to the last word") != std::string::npos);
  CHECK(diff_markdown(report, {}).find("to the last word") != std::string::npos);
}

TEST_CASE("bands follow from both types") {
  const TensorType f32 = DType::f32, f16 = DType::f16, bf16 = DType::bf16;
  const TensorType q8 = GgmlFormat::q8_0, q4 = GgmlFormat::q4_0;
  const TensorType e4m3 = tensor::ScaledFp8{}, unknown = tensor::UnknownType{};
  CHECK(expected_band(f32, f32)->lossless());
  CHECK(expected_band(bf16, f32)->lossless());
  CHECK(expected_band(DType::f8_e4m3, f16)->lossless());
  CHECK_FALSE(expected_band(f16, bf16)->lossless());
  CHECK_FALSE(expected_band(bf16, f16)->lossless());
  CHECK(expected_band(bf16, f16)->low == 0);
  CHECK(judge_band(expected_band(f32, q8), 0.0054) == BandVerdict::inside);
  CHECK(judge_band(expected_band(f32, q8), 0.0086) == BandVerdict::above);
  CHECK(judge_band(expected_band(f32, q8), 0.0010) == BandVerdict::below);
  CHECK(judge_band(expected_band(f32, e4m3), 0.0265) == BandVerdict::inside);
  CHECK(expected_band(q8, q4)->high > expected_band(f32, q4)->high);
  CHECK_FALSE(expected_band(f32, unknown));
  CHECK(judge_band(expected_band(f32, q8), metrics::Undefined::non_finite) == BandVerdict::none);
  CHECK(judge_band(expected_band(f32, f32), 1e-30) == BandVerdict::above);
}

TEST_CASE("buckets are the published ones") {
  CHECK(bucket(0.999) == DiffVerdict::green);
  CHECK(bucket(0.9989999) == DiffVerdict::yellow);
  CHECK(bucket(0.99) == DiffVerdict::yellow);
  CHECK(bucket(0.9899999) == DiffVerdict::red);
  CHECK(bucket(std::numeric_limits<double>::quiet_NaN()) == DiffVerdict::red);
  CHECK(bucket(metrics::Undefined::non_finite) == DiffVerdict::red);
}

TEST_CASE("findings without a number stand first, then the largest error, then names") {
  std::vector<DiffRow> rows = {row_named("c", 1),  row_named("b", 2),  row_named("a", 2),
                               row_named("y", -1), row_named("z", -1), row_named("d", 0)};
  rows[4].findings.push_back({DiffFindingKind::missing, "gone"});
  sort_rows(rows);
  std::string order;
  for (const DiffRow& row : rows) order += row.tensor;
  CHECK(order == "zabcdy");
}

TEST_CASE("what holds no weights may stand on one side alone, and a weight may not") {
  constexpr auto kSafetensors = tensor::ModelFormat::safetensors;
  constexpr auto kGguf = tensor::ModelFormat::gguf;
  const auto held = [](const char* name, std::vector<std::size_t> shape, TensorType type,
                       tensor::ModelFormat here, tensor::ModelFormat there) {
    ModelTensor t;
    t.name = name;
    t.type = type;
    t.shape = std::move(shape);
    for (const std::size_t n : t.shape) t.count *= n;
    return bookkeeping(t, here, there).has_value();
  };
  const auto among = [&](const char* name, std::vector<std::size_t> shape) {
    return held(name, std::move(shape), DType::f32, kSafetensors, kSafetensors);
  };
  for (const char* name : {"layers.0.q_proj.input_scale", "x.output_scale", "a.k_scale"}) {
    CHECK(among(name, {}));
    CHECK(among(name, {1}));
    CHECK_FALSE(among(name, {64}));
  }
  CHECK(among("model.layers.0.self_attn.rotary_emb.inv_freq", {32}));
  CHECK(held("embeddings.position_ids", {1, 512}, DType::i64, kSafetensors, kSafetensors));
  CHECK_FALSE(among("embeddings.position_ids", {1, 512}));
  for (const char* name : {"x.weight_scale", "x.weight", "my_input_scale", "rope_freqs.weight",
                           "norm_inv_freq", "x.input_scale.weight", ""})
    CHECK_FALSE(among(name, {}));
  CHECK(held("rope_freqs.weight", {32}, DType::f32, kGguf, kSafetensors));
  CHECK_FALSE(held("rope_freqs.weight", {32}, DType::f32, kGguf, kGguf));
  CHECK_FALSE(held("rope_freqs.weight", {32, 32}, DType::f32, kGguf, kSafetensors));
}

TEST_CASE("what holds no weights is a row with a note and without a verdict") {
  const Floats one = {1};
  const ModelTensor t = f32_tensor(one, {1});
  for (const DiffRow& row : {missing_row(t, "a scale"), extra_row(t, "a scale")}) {
    CHECK(row.findings.empty());
    CHECK(row.verdict == DiffVerdict::none);
    REQUIRE(row.notes.size() == 1);
    CHECK(row.notes[0].find("has it: a scale") != std::string::npos);
  }
  CHECK(missing_row(t).has(DiffFindingKind::missing));
  CHECK(extra_row(t).has(DiffFindingKind::extra));
}

TEST_CASE("a note that many tensors share is said once") {
  DiffReport report;
  for (const char* name : {"a", "b", "c", "d"}) report.rows.push_back(row_named(name, 1));
  for (DiffRow& row : report.rows) row.notes.push_back("a note of all");
  for (std::size_t i : {1, 2}) report.rows[i].notes.push_back("a note of two");
  const std::string text = diff_text(report, {});
  CHECK(text.find("  a and 3 more: a note of all\n") != std::string::npos);
  CHECK(text.find("b: a note of all") == std::string::npos);
  CHECK(text.find("  b: a note of two\n  c: a note of two\n") != std::string::npos);
}

TEST_CASE("a top of rows leaves no finding out") {
  DiffReport report;
  for (int i = 0; i < 5; ++i)
    report.rows.push_back(row_named(std::string(1, char('a' + i)), 5 - i));
  report.rows[4].findings.push_back({DiffFindingKind::scale, "half"});
  CHECK(shown_rows(report, 0).size() == 5);
  CHECK(shown_rows(report, 2).size() == 3);
  CHECK(diff_text(report, {.top = 2}).find("2 more without a finding") != std::string::npos);
}

TEST_CASE("the histogram counts every group once") {
  ErrorHistogram h;
  for (const double error : {0.0, 1e-9, 0.001, 0.5, 3.99, 4.0, 1e9, HUGE_VAL}) h.add(error);
  std::uint64_t inside = 0;
  for (const std::uint64_t n : h.bins) inside += n;
  CHECK(h.none == 1);
  CHECK(h.beyond == 3);
  CHECK(inside == 4);
  CHECK(h.bins[0] == 1);
  ErrorHistogram edges;
  for (std::size_t i = 0; i < ErrorHistogram::kBins; ++i) {
    edges.add(ErrorHistogram::lower_edge(i) * 1.0001);
    edges.add(ErrorHistogram::lower_edge(i + 1) * 0.9999);
    CHECK(edges.bins[i] == 2);
  }
  ErrorHistogram twice = h;
  twice.add(h);
  CHECK(twice.beyond == 6);
  CHECK(ErrorHistogram::lower_edge(80) == 1.0);
}

TEST_CASE("the picture holds what a name may hold") {
  DiffReport report;
  report.rows.push_back(row_named("<w&\"\x1b[0m>", 1));
  report.rows[0].relative_error = 0.1;
  const std::string svg = diff_svg(report);
  CHECK(svg.find("&lt;w&amp;&quot;") != std::string::npos);
  CHECK(svg.find('\x1b') == std::string::npos);
  CHECK(diff_svg({}).find("</svg>") != std::string::npos);
}

namespace {

/// The numbers after `key="` in a tag that holds `mark`.
double attribute(const std::string& svg, const std::string& mark, const std::string& key) {
  const std::size_t found = svg.find(mark);
  REQUIRE(found != std::string::npos);
  const std::size_t tag = svg.rfind("\n", found) + 1, at = svg.find(" " + key + "=\"", tag);
  REQUIRE(at < svg.find("\n", tag));
  return std::stod(svg.substr(at + key.size() + 3));
}

/// Where the axis has its label.
double label_place(const std::string& svg, const std::string& label) {
  return attribute(svg, ">" + label + "</text>", "y") - 4;
}

}  // namespace

TEST_CASE("the picture keeps equal tensors at zero and shows bands whole") {
  DiffReport report;
  report.rows = {row_named("off", 0.3), row_named("same", 0)};
  report.rows[0].relative_error = 0.03;
  report.rows[0].band = ErrorBand{0.0007, 0.4};
  report.rows[0].qtype = "Q9_9";
  report.rows[1].relative_error = 0.0;
  const std::string svg = diff_svg(report);
  CHECK(attribute(svg, "<title>same", "cy") == label_place(svg, "0"));
  CHECK(label_place(svg, "0") > label_place(svg, "1e-4"));
  CHECK(attribute(svg, "<title>off", "cy") > label_place(svg, "0.1"));
  CHECK(attribute(svg, "<title>off", "cy") < label_place(svg, "0.01"));
  const double top = attribute(svg, "class=\"b\"", "y");
  const double bottom = top + attribute(svg, "class=\"b\"", "height");
  CHECK(top > label_place(svg, "1"));
  CHECK(top < label_place(svg, "0.1"));
  CHECK(bottom > label_place(svg, "0.001"));
  CHECK(bottom < label_place(svg, "1e-4"));
  report.rows.erase(report.rows.begin());
  const std::string equal = diff_svg(report);
  CHECK(attribute(equal, "<title>same", "cy") == label_place(equal, "0"));
}

TEST_CASE("a map is two names a line") {
  const auto map = parse_name_map("a b # why\n\n# nothing\n  c\td\n", "m");
  REQUIRE(map);
  CHECK(*map == NameMap{{"a", "b"}, {"c", "d"}});
  CHECK(parse_name_map("a\n", "m").error().what.find("m:1") == 0);
  CHECK_FALSE(parse_name_map("", "m"));
}

}  // namespace refute::instruments
