// Files quantised piece by piece on several threads, against the kernels on the whole tensor.

#include "harness/instruments/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include <fmt/core.h>

#include "harness/catch.hpp"
#include "harness/instruments/dequantize.hpp"
#include "harness/tensor/temp_folder_test.hpp"
#include "kernels/nf4.hpp"

using namespace refute;
using namespace refute::instruments;
using tensor::DType;
using tensor::has;
using tensor::ModelFile;
using tensor::ModelTensor;
using tensor::NewFile;
using tensor::StoredTensor;
using tensor::TempFolder;

namespace {

// More than two batches of 2^18 values, and rows that do not divide a piece.
constexpr std::size_t kRows = 301, kCols = 2304;

std::vector<float> gaussian(std::size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

std::string raw(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * 4};
}

std::string model_bytes(const std::vector<StoredTensor>& tensors,
                        const std::vector<std::string>& data) {
  const auto layout = lay_out_safetensors(tensors, {{"made", {tensor::MetaType::string, "by us"}}});
  REQUIRE(layout);
  std::string bytes = layout->head;
  bytes.resize(layout->size, '\0');
  for (std::size_t i = 0; i < data.size(); ++i)
    bytes.replace(layout->offsets[i], data[i].size(), data[i]);
  return bytes;
}

std::string matrix_model(const std::vector<float>& values, std::size_t rows, std::size_t cols) {
  return model_bytes({{"w", DType::f32, {rows, cols}, values.size() * 4}}, {raw(values)});
}

std::string content(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// Quantises to OUT; the text is the failure's, or empty.
std::string quantize_file(const std::string& in, const std::string& out, QuantizeOptions options,
                          unsigned threads) {
  auto model = ModelFile::open(in);
  REQUIRE(model);
  const auto plan = plan_quantize(*model, options);
  if (!plan) return plan.error().what;
  auto file = NewFile::create(out, {.overwrite = true});
  REQUIRE(file);
  const auto failure =
      quantize(*model, *plan, {.threads = threads, .progress = {}, .stopped = {}}, *file).failure;
  if (failure) return failure->error.what;
  const auto committed = file->commit();
  return committed ? committed->what : "";
}

std::vector<float> values_of(const ModelTensor& tensor) {
  std::vector<float> values(tensor.count);
  REQUIRE_FALSE(dequantize(tensor, 0, values));
  return values;
}

std::vector<float> quantized_by_ggml(kernels::GgmlFormat format, const std::vector<float>& w) {
  std::vector<std::uint8_t> blocks(kernels::ggml_bytes(format, kCols).value());
  std::vector<float> back(w.size());
  for (std::size_t at = 0; at < w.size(); at += kCols) {
    const std::span row(w.data() + at, kCols);
    REQUIRE(kernels::cpu_scalar::ggml_quantize(format, row, blocks).status ==
            kernels::GgmlStatus::ok);
    (void)kernels::cpu_scalar::ggml_dequantize(format, blocks, {back.data() + at, kCols});
  }
  return back;
}

std::vector<float> quantized_by_fp8(const QuantizeOptions& options, const std::vector<float>& w) {
  const auto format = std::get<kernels::Fp8Format>(options.target);
  const kernels::Fp8Layout layout{kRows, kCols, options.granularity, options.block};
  std::vector<std::uint8_t> codes(w.size());
  std::vector<float> scales(layout.scale_count()), back(w.size());
  (void)kernels::cpu_scalar::fp8_quantize(w, layout, {.format = format}, codes, scales);
  (void)kernels::cpu_scalar::fp8_dequantize(codes, scales, layout, format, back);
  return back;
}

std::vector<float> quantized_by_nf4(const std::vector<float>& w) {
  std::vector<std::uint8_t> codes(w.size());
  std::vector<float> absmax(w.size() / 64), back(w.size());
  (void)kernels::cpu_scalar::nf4_quantize(w, kRows, kCols, kernels::Nf4Decision::thresholds, codes,
                                          absmax);
  (void)kernels::cpu_scalar::nf4_dequantize(codes, absmax, kRows, kCols, back);
  return back;
}

std::vector<float> quantized_by_kernel(const QuantizeOptions& options,
                                       const std::vector<float>& w) {
  if (const auto* ggml = std::get_if<kernels::GgmlFormat>(&options.target))
    return quantized_by_ggml(*ggml, w);
  if (std::holds_alternative<Nf4Target>(options.target)) return quantized_by_nf4(w);
  return quantized_by_fp8(options, w);
}

std::vector<QuantizeOptions> every_way() {
  using kernels::Fp8Granularity;
  std::vector<QuantizeOptions> all;
  for (const std::string& name : quantize_target_names()) {
    const QuantizeOptions options{.target = quantize_target(name).value(), .keep = {}};
    all.push_back(options);
    if (!std::holds_alternative<kernels::Fp8Format>(options.target)) continue;
    for (const auto granularity : {Fp8Granularity::channel, Fp8Granularity::block}) {
      all.push_back(options);
      all.back().granularity = granularity;
    }
    all.back().block = 64;
  }
  return all;
}

std::optional<KeptBecause> why(const char* name, std::vector<std::size_t> shape,
                               tensor::TensorType type, const char* target,
                               std::vector<std::string> keep = {}) {
  ModelTensor tensor{.name = name,
                     .type = type,
                     .shape = shape,
                     .bytes = {},
                     .scales = {},
                     .codebook = {},
                     .nested = {}};
  for (const std::size_t extent : shape) tensor.count *= extent;
  return why_kept(tensor, {.target = quantize_target(target).value(), .keep = keep});
}

}  // namespace

TEST_CASE("a file holds what the kernels give for the whole tensor, however many threads") {
  const TempFolder folder;
  auto values = gaussian(kRows * kCols);
  std::fill_n(values.begin() + 7 * kCols, 100, 0.0f);  // blocks of zeros, at a row's start too
  const auto in = folder.write("in.safetensors", matrix_model(values, kRows, kCols));
  for (const QuantizeOptions& options : every_way()) {
    INFO(to_string(options.target) << " " << static_cast<int>(options.granularity));
    const auto one = folder.file("one"), three = folder.file("three");
    REQUIRE(quantize_file(in, one, options, 1) == "");
    REQUIRE(quantize_file(in, three, options, 3) == "");
    CHECK(content(one) == content(three));
    const auto model = ModelFile::open(three);
    REQUIRE(model);
    REQUIRE(model->tensors().size() == 1);
    CHECK(model->tensors()[0].shape == std::vector<std::size_t>{kRows, kCols});
    CHECK(values_of(model->tensors()[0]) == quantized_by_kernel(options, values));
  }
}

TEST_CASE("f16 and bf16 sources are quantised from their own values") {
  const TempFolder folder;
  const auto values = gaussian(64 * 256);
  const auto in = folder.write("in", matrix_model(values, 64, 256));
  for (const char* narrow : {"f16", "bf16"}) {
    const auto half = folder.file("half"), direct = folder.file("direct");
    REQUIRE(quantize_file(in, half, {.target = quantize_target(narrow).value(), .keep = {}}, 1) ==
            "");
    REQUIRE(quantize_file(half, direct, {.target = quantize_target("q8_0").value(), .keep = {}},
                          2) == "");
    const auto source = ModelFile::open(half);
    const auto quantized = ModelFile::open(direct);
    REQUIRE(source);
    REQUIRE(quantized);
    const auto want = folder.write("again", matrix_model(values_of(source->tensors()[0]), 64, 256));
    const auto again = folder.file("again.gguf");
    REQUIRE(quantize_file(want, again, {.target = quantize_target("q8_0").value(), .keep = {}},
                          1) == "");
    CHECK(values_of(quantized->tensors()[0]) == values_of(ModelFile::open(again)->tensors()[0]));
  }
}

TEST_CASE("the first value that is not finite is named, in whichever batch it lies") {
  const TempFolder folder;
  for (const QuantizeOptions& options : every_way()) {
    INFO(to_string(options.target) << " " << static_cast<int>(options.granularity));
    auto values = gaussian(kRows * kCols);
    values[kRows * kCols - 1] = INFINITY;
    values[300'001] = NAN;
    values[600'002] = -INFINITY;
    const auto in = folder.write("in", matrix_model(values, kRows, kCols));
    const auto error = quantize_file(in, folder.file("out"), options, 3);
    CHECK(has(error, "tensor 'w': value 300001 is NaN"));
    CHECK_FALSE(std::filesystem::exists(folder.file("out")));
  }
}

namespace {

/// 300 rows of 1024 values of N(0, 1), of which one block in a later batch is that many times as
/// large.
constexpr std::size_t kOddBlock = 1001, kOddFirst = kOddBlock * 256;
std::vector<float> with_a_block_times(float factor) {
  auto values = gaussian(300 * 1024);
  for (std::size_t i = 0; i < 256; ++i) values[kOddFirst + i] *= factor;
  return values;
}

std::size_t block_size_of(const QuantizeOptions& options) {
  const auto* ggml = std::get_if<kernels::GgmlFormat>(&options.target);
  return ggml ? kernels::ggml_info(*ggml).block_size : 1;
}

/// Quantises and gives what was lost; the file is left there.
Quantized quantized_with_losses(const std::string& in, const std::string& out,
                                const QuantizeOptions& options, unsigned threads) {
  auto model = ModelFile::open(in);
  REQUIRE(model);
  const auto plan = plan_quantize(*model, options);
  REQUIRE(plan);
  auto file = NewFile::create(out, {.overwrite = true});
  REQUIRE(file);
  auto done = quantize(*model, *plan, {.threads = threads, .progress = {}, .stopped = {}}, *file);
  if (!done.failure) REQUIRE_FALSE(file->commit());
  for (auto& flushed : done.flushed) flushed.tensor = nullptr;  // the model is gone
  return done;
}

bool scales_are_f16(const QuantizeOptions& options) {
  const auto* ggml = std::get_if<kernels::GgmlFormat>(&options.target);
  return ggml && *ggml != kernels::GgmlFormat::bf16 && *ggml != kernels::GgmlFormat::mxfp4;
}

}  // namespace

TEST_CASE("finite weights never become infinite or NaN in silence") {
  const TempFolder folder;
  for (const float factor : {1e9f, 1e20f, 5e37f}) {
    const auto values = with_a_block_times(factor);
    const auto in = folder.write("in", matrix_model(values, 300, 1024));
    for (const QuantizeOptions& options : every_way()) {
      INFO(to_string(options.target) << " times " << factor);
      const auto error = quantize_file(in, folder.file("out"), options, 3);
      if (scales_are_f16(options)) {
        const std::size_t size = block_size_of(options);
        const std::string place = size == 1 ? fmt::format("tensor 'w': value {} is ", kOddFirst)
                                            : fmt::format("tensor 'w': block {}, values {} to ",
                                                          kOddFirst / size, kOddFirst);
        CHECK(has(error, place));
        CHECK(has(error, "too large for "));
        CHECK_FALSE(std::filesystem::exists(folder.file("out")));
        continue;
      }
      CHECK(error == "");
      const auto made = ModelFile::open(folder.file("out"));
      REQUIRE(made);
      const auto back = values_of(made->tensors()[0]);
      CHECK(std::ranges::all_of(back, [](float v) { return std::isfinite(v); }));
      std::filesystem::remove(folder.file("out"));
    }
  }
}

TEST_CASE("blocks of small weights that become zeros are counted, and named") {
  const TempFolder folder;
  const auto values = with_a_block_times(1e-9f);
  const auto in = folder.write("in", matrix_model(values, 300, 1024));
  for (const QuantizeOptions& options : every_way()) {
    INFO(to_string(options.target));
    const auto done = quantized_with_losses(in, folder.file("out"), options, 3);
    REQUIRE_FALSE(done.failure);
    if (!scales_are_f16(options) || block_size_of(options) == 1) {
      CHECK(done.flushed.empty());
      continue;
    }
    REQUIRE(done.flushed.size() == 1);
    const Losses& losses = done.flushed[0].losses;
    const std::size_t size = block_size_of(options);
    CHECK(losses.flushed == 256 / size);
    CHECK(losses.alive == 300 * 1024 / size - 256 / size);
    REQUIRE(losses.first_flushed);
    CHECK(losses.first_flushed->first == kOddFirst);
    CHECK(losses.largest_flushed < 1e-8f);
    CHECK_FALSE(done.flushed[0].losses.whole());
  }
}

TEST_CASE("a tensor of which nothing is left is told apart, and zeros are no loss") {
  const TempFolder folder;
  auto tiny = gaussian(4 * 256);
  for (float& v : tiny) v *= 1e-12f;
  const auto in = folder.write("in", matrix_model(tiny, 4, 256));
  const auto zeros = folder.write("zeros", matrix_model(std::vector<float>(4 * 256), 4, 256));
  for (const QuantizeOptions& options : every_way()) {
    INFO(to_string(options.target));
    const auto done = quantized_with_losses(in, folder.file("out"), options, 1);
    REQUIRE_FALSE(done.failure);
    CHECK(done.flushed.size() == (scales_are_f16(options) ? 1 : 0));
    if (!done.flushed.empty()) CHECK(done.flushed[0].losses.whole());
    CHECK(quantized_with_losses(zeros, folder.file("out"), options, 1).flushed.empty());
  }
}

TEST_CASE("a value beside which FP8 has no codes left for the others is told of") {
  const TempFolder folder;
  auto values = gaussian(4 * 256);
  values[700] = 1e9f;
  const auto in = folder.write("in", matrix_model(values, 4, 256));
  const QuantizeOptions by_tensor{.target = quantize_target("fp8-e4m3").value(), .keep = {}};
  const auto done = quantized_with_losses(in, folder.file("out"), by_tensor, 1);
  REQUIRE(done.flushed.size() == 1);
  CHECK(done.flushed[0].losses.flushed == 4 * 256 - 1);
  CHECK(done.flushed[0].losses.alive == 1);
  QuantizeOptions by_row = by_tensor;
  by_row.granularity = kernels::Fp8Granularity::channel;
  CHECK(quantized_with_losses(in, folder.file("out"), by_row, 1).flushed.empty());
}

TEST_CASE("an F64 that no f32 holds is named with its value") {
  const TempFolder folder;
  std::vector<double> values(64, 1.0);
  values[17] = -1e300;
  const std::string bytes(reinterpret_cast<const char*>(values.data()), 512);
  const auto in = folder.write("in", model_bytes({{"w", DType::f64, {1, 64}, 512}}, {bytes}));
  for (const char* target : {"q8_0", "nf4", "fp8-e4m3"}) {
    CHECK(has(quantize_file(in, folder.file("out"),
                            {.target = quantize_target(target).value(), .keep = {}}, 1),
              "'w': value 17 is -1e+300, too large for f32"));
  }
  const auto model = ModelFile::open(in);
  REQUIRE(model);
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    const auto plan = plan_dequantize(*model, FloatContainer::safetensors, type);
    REQUIRE(plan);
    auto file = NewFile::create(folder.file("out"), {.overwrite = true});
    REQUIRE(file);
    const auto failure = dequantize(*model, *plan, {.progress = {}, .stopped = {}}, *file);
    REQUIRE(failure);
    CHECK(has(failure->error.what, "'w': value 17 is -1e+300, too large for "));
  }
}

TEST_CASE("what a quantiser of models leaves alone, and why") {
  const tensor::TensorType f32 = DType::f32;
  CHECK_FALSE(why("blk.0.ffn_down.weight", {4, 256}, f32, "q4_k"));
  CHECK_FALSE(why("w", {4, 256}, DType::bf16, "nf4"));
  CHECK(why("norm", {256}, f32, "q4_k") == KeptBecause::few_dimensions);
  CHECK(why("scalar", {}, f32, "q4_k") == KeptBecause::few_dimensions);
  CHECK(why("none", {0, 256}, f32, "q4_k") == KeptBecause::empty);
  CHECK(why("ids", {4, 256}, DType::i64, "q4_k") == KeptBecause::not_floating);
  CHECK(why("codes", {4, 256}, DType::f8_e4m3, "q4_k") == KeptBecause::already_quantized);
  CHECK(why("codes", {4, 256}, kernels::GgmlFormat::q4_0, "q4_k") ==
        KeptBecause::already_quantized);
  CHECK(why("new", {4, 256}, tensor::UnknownType{"F4"}, "q4_k") == KeptBecause::unknown_type);
  CHECK(why("w", {4, 128}, f32, "q4_k") == KeptBecause::uneven_rows);
  CHECK_FALSE(why("w", {4, 128}, f32, "q4_0"));
  CHECK(why("w", {4, 96}, f32, "nf4") == KeptBecause::uneven_rows);
  using kernels::GgmlFormat;
  CHECK(fallback_format(GgmlFormat::q2_k, 96) == GgmlFormat::iq4_nl);
  CHECK(fallback_format(GgmlFormat::q3_k, 96) == GgmlFormat::iq4_nl);
  CHECK(fallback_format(GgmlFormat::q4_k, 96) == GgmlFormat::q5_0);
  CHECK(fallback_format(GgmlFormat::q5_k, 96) == GgmlFormat::q5_1);
  CHECK(fallback_format(GgmlFormat::q6_k, 96) == GgmlFormat::q8_0);
  CHECK(fallback_format(GgmlFormat::q6_k, 100) == GgmlFormat::f16);
  CHECK_FALSE(fallback_format(GgmlFormat::q6_k, 512));
  CHECK_FALSE(fallback_format(GgmlFormat::q8_0, 100));
  CHECK_FALSE(why("w", {4, 7}, f32, "fp8-e4m3"));
  CHECK(why("model.embed_tokens.weight", {4, 256}, f32, "fp8-e5m2") == KeptBecause::embedding);
  CHECK(why("lm_head.weight", {4, 256}, f32, "nf4") == KeptBecause::embedding);
  CHECK_FALSE(why("model.embed_tokens.weight", {4, 256}, f32, "q6_k"));
  CHECK(why("position_embd.weight", {4, 256}, f32, "q6_k") == KeptBecause::position);
  CHECK(why("blk.0.ffn_gate_inp.weight", {4, 256}, f32, "q6_k") == KeptBecause::router);
  CHECK(why("w.keep", {4, 256}, f32, "q6_k", {"x", "*.keep"}) == KeptBecause::asked_for);
}

TEST_CASE("what is kept is kept byte for byte, with the metadata") {
  const TempFolder folder;
  const auto values = gaussian(4 * 256);
  const auto in = folder.write(
      "in", model_bytes({{"w", DType::f32, {4, 256}, 4096},
                         {"norm", DType::f32, {3}, 12},
                         {"ids", DType::i64, {2, 1}, 16},
                         {"none", DType::f32, {0, 256}, 0}},
                        {raw(values), raw({1, NAN, 3}), std::string("0123456789abcdef"), ""}));
  for (const char* target : {"fp8-e4m3", "nf4", "q5_k"}) {
    const auto out = folder.file("out");
    REQUIRE(quantize_file(in, out, {.target = quantize_target(target).value(), .keep = {}}, 2) ==
            "");
    const auto model = ModelFile::open(out);
    REQUIRE(model);
    const auto bytes = model->find("ids")->bytes;
    CHECK(std::string(reinterpret_cast<const char*>(bytes.data()), 16) == "0123456789abcdef");
    CHECK(std::isnan(values_of(*model->find("norm"))[1]));
    CHECK(model->find("none")->shape == std::vector<std::size_t>{0, 256});
    const bool gguf = model->format() == tensor::ModelFormat::gguf;
    CHECK(find(model->metadata(), gguf ? "safetensors.made" : "made") != nullptr);
  }
}

TEST_CASE("a model that is quantised already is refused where it cannot be carried along") {
  const TempFolder folder;
  const auto in = folder.write("in", matrix_model(gaussian(4 * 256), 4, 256));
  for (const char* first : {"fp8-e4m3", "nf4", "q4_k"}) {
    const auto once = folder.file("once"), twice = folder.file("twice");
    REQUIRE(quantize_file(in, once, {.target = quantize_target(first).value(), .keep = {}}, 1) ==
            "");
    const char* second = std::string(first) == "q4_k" ? "nf4" : "q4_0";
    const auto error =
        quantize_file(once, twice, {.target = quantize_target(second).value(), .keep = {}}, 1);
    CHECK(has(error, "tensor 'w' is "));
    CHECK(has(error, " already"));
  }
}

TEST_CASE("a name that the scales would take twice is refused") {
  const TempFolder folder;
  const auto in = folder.write(
      "in", model_bytes({{"w", DType::f32, {1, 64}, 256}, {"w_scale", DType::f32, {1}, 4}},
                        {raw(gaussian(64)), raw({1})}));
  const auto error = quantize_file(in, folder.file("out"),
                                   {.target = quantize_target("fp8-e4m3").value(), .keep = {}}, 1);
  CHECK(has(error, "'w_scale': the file would have it twice"));
}

TEST_CASE("the work stops when it is asked to") {
  const TempFolder folder;
  const auto in = folder.write("in", matrix_model(gaussian(kRows * kCols), kRows, kCols));
  const auto model = ModelFile::open(in);
  REQUIRE(model);
  const auto plan = plan_quantize(*model, {.target = quantize_target("q4_0").value(), .keep = {}});
  REQUIRE(plan);
  auto file = NewFile::create(folder.file("out"), {});
  REQUIRE(file);
  std::size_t asked = 0;
  const auto failure =
      quantize(*model, *plan, {.progress = {}, .stopped = [&] { return ++asked == 2; }}, *file)
          .failure;
  REQUIRE(failure);
  CHECK(failure->kind == Failure::Kind::stopped);
}

TEST_CASE("dequantised files hold the values, in every container and type") {
  const TempFolder folder;
  const auto in = folder.write("in", matrix_model(gaussian(kRows * kCols), kRows, kCols));
  const auto quantized = folder.file("q");
  REQUIRE(quantize_file(in, quantized, {.target = quantize_target("q5_1").value(), .keep = {}},
                        2) == "");
  const auto model = ModelFile::open(quantized);
  REQUIRE(model);
  const auto want = values_of(model->tensors()[0]);
  const auto write = [&](FloatContainer container, DType type, unsigned threads) {
    const auto plan = plan_dequantize(*model, container, type);
    REQUIRE(plan);
    const auto out = folder.file("out");
    auto file = NewFile::create(out, {.overwrite = true});
    REQUIRE(file);
    REQUIRE_FALSE(
        dequantize(*model, *plan, {.threads = threads, .progress = {}, .stopped = {}}, *file));
    REQUIRE_FALSE(file->commit());
    return out;
  };
  CHECK(
      values_of(ModelFile::open(write(FloatContainer::safetensors, DType::f32, 3))->tensors()[0]) ==
      want);
  const auto half =
      values_of(ModelFile::open(write(FloatContainer::safetensors, DType::bf16, 3))->tensors()[0]);
  CHECK(half != want);
  CHECK(std::abs(half[5] - want[5]) <= 0x1p-8f * std::abs(want[5]));
  const auto zip = content(write(FloatContainer::npz, DType::f32, 3));
  CHECK(zip == content(write(FloatContainer::npz, DType::f32, 1)));
  CHECK(zip.substr(zip.size() - 22, 4) == "PK\5\6");
  const auto npy = content(write(FloatContainer::npy, DType::f32, 2));
  CHECK(npy.substr(npy.size() - want.size() * 4) == raw(want));
}

TEST_CASE("a value too large for f16 is named") {
  const TempFolder folder;
  std::vector<float> values(64, 1.0f);
  values[17] = 70000;
  const auto model = ModelFile::open(folder.write("in", matrix_model(values, 1, 64)));
  REQUIRE(model);
  const auto plan = plan_dequantize(*model, FloatContainer::safetensors, DType::f16);
  REQUIRE(plan);
  auto file = NewFile::create(folder.file("out"), {});
  REQUIRE(file);
  const auto failure = dequantize(*model, *plan, {.progress = {}, .stopped = {}}, *file);
  REQUIRE(failure);
  CHECK(has(failure->error.what, "'w': value 17 is 70000, too large for F16"));
}
