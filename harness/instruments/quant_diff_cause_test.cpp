// Every fault that is looked for is named where it was planted, in several formats; what is healthy
// or merely noisy has no cause.

#include "harness/instruments/quant_diff_cause.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>

#include "harness/catch.hpp"
#include "harness/instruments/quant_diff_judge.hpp"
#include "harness/instruments/quant_diff_report.hpp"
#include "harness/instruments/quant_diff_source.hpp"
#include "kernels/ggml_test_data.hpp"
#include "kernels/nf4.hpp"

namespace refute::instruments {
namespace {

using namespace kernels;
using kernels::ggml_test::Bytes;
using kernels::ggml_test::Floats;
using kernels::ggml_test::gaussian;
using tensor::DType;
using tensor::ModelTensor;

constexpr std::size_t kRows = 64, kCols = 256;

/// A pair of models that keeps what it holds. Formats: F32, or a block format.
class Models {
 public:
  explicit Models(std::optional<GgmlFormat> format) : format_(format) {}

  /// A tensor of x, and of what the other model is said to have made of it.
  void add(const Floats& x, const Floats& made_of, std::vector<std::size_t> shape = {kRows, kCols},
           std::vector<std::size_t> other_shape = {}) {
    if (other_shape.empty()) other_shape = shape;
    pairs_.push_back({.reference = keep(x, std::move(shape), false),
                      .other = keep(made_of, std::move(other_shape), true)});
  }

  TensorPair& last() { return pairs_.back(); }
  Bytes& last_blocks() { return bytes_.back(); }

  std::vector<DiffRow> rows() {
    DiffReport report;
    take_pairs(report, pairs(), {}, {});
    return report.rows;
  }
  DiffRow row() { return rows().back(); }
  std::vector<TensorPair> pairs() const { return {pairs_.begin(), pairs_.end()}; }

 private:
  const ModelTensor* keep(const Floats& x, std::vector<std::size_t> shape, bool other) {
    ModelTensor& t = tensors_.emplace_back();
    t.name = (other ? "other" : "w") + std::to_string(pairs_.size());
    t.type = DType::f32;
    t.shape = std::move(shape);
    t.count = x.size();
    if (other && format_) {
      t.type = *format_;
      Bytes& blocks = bytes_.emplace_back(*ggml_bytes(*format_, x.size()));
      REQUIRE(cpu_scalar::ggml_quantize(*format_, x, blocks).status == GgmlStatus::ok);
      t.bytes = std::as_bytes(std::span(blocks));
    } else {
      t.bytes = std::as_bytes(std::span(floats_.emplace_back(x)));
    }
    return &t;
  }

  std::optional<GgmlFormat> format_;
  std::deque<ModelTensor> tensors_;
  std::deque<Floats> floats_;
  std::deque<Bytes> bytes_;
  std::deque<TensorPair> pairs_;
};

const std::vector<std::optional<GgmlFormat>> kFormats = {
    std::nullopt,     GgmlFormat::q8_0, GgmlFormat::q4_0, GgmlFormat::q5_1,
    GgmlFormat::q4_k, GgmlFormat::q2_k, GgmlFormat::mxfp4};

std::string name_of(const std::optional<GgmlFormat>& format) {
  return format ? std::string(ggml_info(*format).gguf_name) : "F32";
}

/// What is said where `fault` made the other model's values of the reference's.
std::string cause_of(const std::optional<GgmlFormat>& format,
                     const std::function<Floats(const Floats&)>& fault, std::uint64_t seed = 31) {
  Models models(format);
  const Floats x = gaussian(kRows * kCols, seed);
  models.add(x, fault(x));
  return models.row().cause;
}

void check_begins(const std::string& cause, const std::string& words) {
  INFO(cause);
  CHECK(cause.substr(0, words.size()) == words);
}

Floats with_rows(const Floats& x, const std::function<std::size_t(std::size_t)>& row_of) {
  Floats y;
  for (std::size_t r = 0; r < kRows; ++r) {
    const auto row = std::span(x).subspan(row_of(r) * kCols, kCols);
    y.insert(y.end(), row.begin(), row.end());
  }
  return y;
}

Floats turned(const Floats& x, std::size_t rows, std::size_t cols) {
  Floats y(x.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) y[c * rows + r] = x[r * cols + c];
  return y;
}

Floats scaled(Floats x, float by) {
  for (float& v : x) v *= by;
  return x;
}

Floats noisy(Floats x, float by) {
  const Floats noise = gaussian(x.size(), 77);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += by * noise[i];
  return x;
}

}  // namespace

TEST_CASE("one factor on all values is named") {
  for (const auto& format : kFormats) {
    INFO(name_of(format));
    const auto by = [&](float factor) {
      return cause_of(format, [=](const Floats& x) { return scaled(x, factor); });
    };
    check_begins(by(2), "every value is 2 times what it should be; undone, the ");
    check_begins(by(0.125f), "every value is 0.125 times");
    check_begins(by(-1), "every value has the opposite sign");
    check_begins(by(-4), "every value is -4 times");
    CHECK(by(1.3f).empty());
    CHECK(by(0).empty());
  }
}

TEST_CASE("rows in other places are named") {
  for (const auto& format : kFormats) {
    INFO(name_of(format));
    const auto moved = [&](const std::function<std::size_t(std::size_t)>& row_of) {
      return cause_of(format, [&](const Floats& x) { return with_rows(x, row_of); });
    };
    check_begins(moved([](std::size_t r) { return (r + kRows - 5) % kRows; }),
                 "its rows are rotated by 5: row 0 stands in row 5");
    check_begins(moved([](std::size_t r) { return (r + 1) % kRows; }),
                 "its rows are rotated by 63");
    check_begins(moved([](std::size_t r) { return kRows - 1 - r; }),
                 "64 of 64 rows are permuted: row 0 stands in row 63");
    check_begins(moved([](std::size_t r) { return r / 16 * 16 + (r + 3) % 16; }),
                 "64 of 64 rows are permuted: row 0 stands in row 13");
    check_begins(moved([](std::size_t r) { return source_row(r, kRows, 4); }),
                 "its rows are interleaved within heads of 16, as ");
    check_begins(moved([](std::size_t r) {
                   for (std::size_t to = 0; to < kRows; ++to)
                     if (source_row(to, kRows, 2) == r) return to;
                   return kRows;
                 }),
                 "its rows are taken apart within heads of 32, as ");
  }
  // Two rows of 64 leave the whole within the bands of the coarsest formats: nothing to explain.
  for (const auto& format : {kFormats[0], kFormats[1], kFormats[2]}) {
    const std::string cause = cause_of(format, [](const Floats& x) {
      return with_rows(x, [](std::size_t r) { return r == 9 ? 20 : r == 20 ? 9 : r; });
    });
    check_begins(cause, "rows 9 and 20 are swapped; undone, ");
  }
}

TEST_CASE("rows that the conversion should have interleaved are named") {
  for (const auto& format : kFormats) {
    INFO(name_of(format));
    const Floats x = gaussian(kRows * kCols, 32);
    const auto named = [&](const Floats& other) {
      Models models(format);
      models.add(x, other);
      models.last().adjust_reference.heads = 4;
      return models.row().cause;
    };
    const auto converted = [&](std::size_t heads) {
      return with_rows(x, [=](std::size_t r) { return source_row(r, kRows, heads); });
    };
    CHECK(named(converted(4)).empty());
    check_begins(named(x), "its rows are not interleaved within heads");
    check_begins(named(converted(2)), "its rows are interleaved within heads of 32, not of 16,");
  }
}

TEST_CASE("tensors that changed places are named") {
  for (const auto& format : kFormats) {
    INFO(name_of(format));
    const Floats a = gaussian(kRows * kCols, 33), b = gaussian(kRows * kCols, 34),
                 c = gaussian(kRows * kCols, 35);
    Models models(format);
    models.add(a, b);
    models.add(b, a);
    models.add(c, c);
    const auto rows = models.rows();
    check_begins(rows[0].cause, "it has changed places with other1; undone, ");
    check_begins(rows[1].cause, "it has changed places with other0");
    CHECK(rows[2].cause.empty());

    Models copied(format);
    copied.add(a, c);
    copied.add(b, a);
    check_begins(copied.rows()[0].cause, "its values stand in other1, and others here");
    CHECK(copied.rows()[1].cause.empty());
  }
}

TEST_CASE("what is transposed or has another shape is named") {
  for (const auto& format : kFormats) {
    INFO(name_of(format));
    const Floats x = gaussian(kCols * kCols, 36);
    Models square(format);
    square.add(x, turned(x, kCols, kCols), {kCols, kCols});
    check_begins(square.row().cause, "it is transposed; undone, ");
    Models wide(format);
    wide.add(x, turned(x, 128, 512), {128, 512}, {512, 128});
    const DiffRow row = wide.row();
    CHECK(row.has(DiffFindingKind::shape_mismatch));
    check_begins(row.cause, "it is transposed");
    Models same(format);
    same.add(x, turned(x, 128, 512), {128, 512});
    check_begins(same.row().cause, "it is transposed");
    Models reverse(format);
    reverse.add(x, turned(x, 512, 128), {128, 512});
    check_begins(reverse.row().cause, "it is transposed");
    Models reshaped(format);
    reshaped.add(x, x, {128, 512}, {512, 128});
    check_begins(reshaped.row().cause, "its values are in the same order, under another shape");
    Models unlike(format);
    unlike.add(x, gaussian(x.size(), 37), {128, 512}, {512, 128});
    CHECK(unlike.row().cause.empty());
  }
}

TEST_CASE("codes in another order within their bytes are named") {
  struct Packed {
    GgmlFormat format;
    std::size_t first, count, run;  // of the bytes with codes, in a block
  };
  for (const auto& [format, first, count, run] : {Packed{GgmlFormat::q4_0, 2, 16, 16},
                                                  {GgmlFormat::q4_1, 4, 16, 16},
                                                  {GgmlFormat::q5_0, 6, 16, 16},
                                                  {GgmlFormat::q5_1, 8, 16, 16},
                                                  {GgmlFormat::iq4_nl, 2, 16, 16},
                                                  {GgmlFormat::mxfp4, 1, 16, 16},
                                                  {GgmlFormat::q4_k, 16, 128, 32},
                                                  {GgmlFormat::q5_k, 48, 128, 32}}) {
    INFO(name_of(format));
    const Floats x = gaussian(kRows * kCols, 38);
    const std::size_t bytes = ggml_info(format).block_bytes;
    Models swapped(format), neighbours(format);
    swapped.add(x, x);
    neighbours.add(x, x);
    CHECK(swapped.row().cause.empty());
    for (std::size_t block = 0; block < swapped.last_blocks().size(); block += bytes) {
      for (std::size_t j = first; j < first + count; ++j) {
        std::uint8_t& byte = swapped.last_blocks()[block + j];
        byte = static_cast<std::uint8_t>(byte << 4 | byte >> 4);
      }
      for (std::size_t at = block + first; at < block + first + count; at += run) {
        const Bytes was(neighbours.last_blocks().begin() + static_cast<std::ptrdiff_t>(at),
                        neighbours.last_blocks().begin() + static_cast<std::ptrdiff_t>(at + run));
        const auto code = [&](std::size_t i) { return i < run ? was[i] & 15 : was[i - run] >> 4; };
        for (std::size_t j = 0; j < run; ++j) {
          neighbours.last_blocks()[at + j] =
              static_cast<std::uint8_t>(code(2 * j) | code(2 * j + 1) << 4);
        }
      }
    }
    check_begins(swapped.row().cause, "the two 4-bit codes of each byte are swapped; undone, ");
    check_begins(neighbours.row().cause, "codes of neighbours are packed together");
  }
}

TEST_CASE("NF4 whose earlier code is in the low half is named") {
  const Floats x = gaussian(kRows * kCols, 46);
  Bytes codes(x.size()), stored(x.size() / 2);
  Floats absmax(x.size() / kNf4Block);
  (void)cpu_scalar::nf4_quantize(x, 1, x.size(), Nf4Decision::thresholds, codes, absmax);
  ModelTensor reference, other;
  reference.type = DType::f32;
  reference.bytes = std::as_bytes(std::span(x));
  other.type = tensor::GroupedNf4{kNf4Block};
  other.bytes = std::as_bytes(std::span(stored));
  other.scales = {.name = "absmax", .type = DType::f32, .bytes = std::as_bytes(std::span(absmax))};
  other.codebook.assign(kNf4Codebook.begin(), kNf4Codebook.end());
  for (ModelTensor* t : {&reference, &other}) {
    t->shape = {kRows, kCols};
    t->count = x.size();
  }
  for (const bool swapped : {false, true}) {
    for (std::size_t i = 0; i < stored.size(); ++i) {
      const int early = codes[2 * i], late = codes[2 * i + 1];
      stored[i] = static_cast<std::uint8_t>(swapped ? late << 4 | early : early << 4 | late);
    }
    DiffReport report;
    take_pairs(report, {{.reference = &reference, .other = &other}}, {}, {});
    const std::string& cause = report.rows[0].cause;
    if (swapped) check_begins(cause, "the two 4-bit codes of each byte are swapped");
    if (!swapped) CHECK(cause.empty());
  }
}

TEST_CASE("a one that was added to a norm, or not, is named") {
  const Floats x = scaled(gaussian(kCols, 39), 0.1f);
  Floats plus = x;
  for (float& v : plus) v += 1.0f;
  Models added(std::nullopt), lacking(std::nullopt);
  added.add(x, plus, {kCols});
  lacking.add(plus, x, {kCols});
  check_begins(added.row().cause, "one was added to every value");
  check_begins(lacking.row().cause, "every value lacks the one");
}

TEST_CASE("what is healthy, noisy or damaged in one place has no cause") {
  for (const auto& format : kFormats) {
    INFO(name_of(format));
    for (const std::uint64_t seed : {41u, 42u}) {
      CHECK(cause_of(
                format, [](const Floats& x) { return x; }, seed)
                .empty());
      for (const float noise : {0.05f, 0.3f, 1.0f, 10.0f})
        CHECK(cause_of(
                  format, [=](const Floats& x) { return noisy(x, noise); }, seed)
                  .empty());
      // A fault of its own in the midst of what would be explained.
      CHECK(cause_of(
                format,
                [](const Floats& x) {
                  Floats y = scaled(x, 2);
                  std::fill_n(y.begin() + 9 * kCols, 8 * kCols, 0.0f);
                  return y;
                },
                seed)
                .empty());
    }
    CHECK(cause_of(format, [](const Floats& x) { return gaussian(x.size(), 43); }).empty());
    CHECK(cause_of(format, [](const Floats& x) { return Floats(x.size()); }).empty());
    Models constant(format);
    constant.add(Floats(kRows * kCols), gaussian(kRows * kCols, 44));
    CHECK(constant.row().cause.empty());
  }
}

TEST_CASE("a search that may read no more leaves rows without a cause, and counts them") {
  const Floats x = gaussian(kRows * kCols, 45);
  Models models(std::nullopt);
  for (int i = 0; i < 3; ++i) models.add(x, scaled(x, 2));
  std::vector<DiffRow> rows = models.rows();
  const std::vector<TensorPair> pairs = models.pairs();
  for (DiffRow& row : rows) row.cause.clear();
  // A first look at a row, a sample and everything: enough for one of the three.
  CHECK(name_causes(rows, pairs, 3 * x.size()) == 2);
  CHECK_FALSE(rows[0].cause.empty());
  CHECK(rows[1].cause.empty());
  CHECK(name_causes(rows, pairs, cause_budget(pairs)) == 0);
  CHECK_FALSE(rows[2].cause.empty());
}

TEST_CASE("a cause is in every form of the report") {
  DiffReport report;
  DiffRow& row = report.rows.emplace_back();
  row.tensor.push_back('w');
  row.findings.push_back({DiffFindingKind::scale, "twice"});
  row.cause = "every value is 2 times what it should be";
  for (const auto& render : {diff_text, diff_markdown, diff_html, diff_tsv})
    CHECK(render(report, {}).find(row.cause) != std::string::npos);
  CHECK(*diff_value(report, {}).as_list()->front().find("cause")->as_string() == row.cause);
  row.cause.clear();
  CHECK(diff_text(report, {}).find("cause") == std::string::npos);
  CHECK(diff_value(report, {}).as_list()->front().find("cause")->is_null());
}

}  // namespace refute::instruments
