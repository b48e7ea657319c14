// Floors have to let every correct implementation pass and have to be near: both sides, for every
// stage.

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "harness/catch.hpp"
#include "harness/instruments/bisect/end.hpp"
#include "harness/instruments/bisect/own_error.hpp"
#include "harness/instruments/bisect/truth_elements.hpp"
#include "harness/instruments/bisect/truth_products.hpp"

namespace refute::bisect {
namespace {

using forward::PathName;
using metrics::Format;

const std::vector<std::uint32_t> kTokens = {3, 60, 0, 17, 42, 9, 33, 5};
constexpr const char* kModels[] = {"llama4", "qwen2-4", "qwen3-4", "llama4-flash"};

DecoderModel open_model(const std::string& name) {
  auto model = DecoderModel::open(std::string(BISECT_MODELS) + "/" + name);
  if (!model) FAIL(model.error().what);
  return *std::move(model);
}

/// Calls judge(at, output, truth) at every stage of one run.
template <class Judge>
void at_every_stage(const End& end, const Arithmetic& arithmetic, Judge judge) {
  Pass pass(end, kTokens.size());
  pass.begin(kTokens);
  for (const StageAt at : forward_order(end.model->config(), end.path.attention)) {
    REQUIRE_FALSE(pass.run(at));
    const auto truth =
        stage_truth(at, *end.model, end.path.attention, arithmetic, pass.inputs(at), 1);
    REQUIRE(truth);
    REQUIRE(truth->value.size() == pass.output(at.stage).size());
    judge(at, pass.output(at.stage), *truth);
  }
}

std::vector<End> ends(const DecoderModel& model) {
  std::vector<End> found;
  for (const PathName name : {PathName::reference, PathName::fast}) {
    for (const AttentionKernel a : {AttentionKernel::naive, AttentionKernel::flash2}) {
      for (const Format f : {Format::f32, Format::f16, Format::bf16}) {
        End end;
        end.model = &model;
        end.path = {name, a, 1};
        end.activations = f;
        if (!refuse_path(end.path, model)) found.push_back(end);
      }
    }
  }
  return found;
}

}  // namespace

TEST_CASE("every path keeps the floor of the arithmetic that it declares, at every stage") {
  for (const char* name : kModels) {
    const DecoderModel model = open_model(name);
    for (const End& end : ends(model)) {
      at_every_stage(end, arithmetic_of(end), [&](StageAt at, auto output, const auto& truth) {
        const OwnError e = own_error(output, truth);
        INFO(name << " " << to_string(end) << " " << static_cast<int>(at.stage) << " layer "
                  << at.layer << ": " << e.got << " for " << e.want << ", bound " << e.bound);
        CHECK_FALSE(e.exceeds());
      });
    }
  }
}

TEST_CASE("intermediates that are subnormal in f16 are given what storing them costs") {
  // As transformers computes a norm in f16: x / root is stored, then multiplied by the weight.
  const Arithmetic a = {.storage = Format::f16, .fused = true};
  std::vector<float> x = {64, 64, 64, 64}, weight(4, 8), got(4);
  for (int i = 1; i < 64; ++i) {
    x[3] = std::ldexp(1.0f + static_cast<float>(i) / 64, -13);
    const double root = std::sqrt((3 * 64.0 * 64.0 + double{x[3]} * x[3]) / 4);
    for (std::size_t j = 0; j < 4; ++j) {
      got[j] = static_cast<float>(nearest(Format::f16, 8 * nearest(Format::f16, x[j] / root)));
    }
    CHECK_FALSE(own_error(got, norm_truth(x, weight, 0, a)).exceeds());
    got[3] += 0x1p-20f;
    CHECK(own_error(got, norm_truth(x, weight, 0, a)).exceeds());
  }
  // RoPE whose products are subnormal.
  const std::vector<double> still = {0.001};
  for (int i = 1; i < 64; ++i) {
    const std::vector<float> pair = {std::ldexp(1.0f, -16), std::ldexp(static_cast<float>(i), -22)};
    const double c = nearest(Format::f16, std::cos(0.001)),
                 s = nearest(Format::f16, std::sin(0.001));
    const auto h = [](double v) { return nearest(Format::f16, v); };
    const std::vector<float> turned = {static_cast<float>(h(h(pair[0] * c) - h(pair[1] * s))),
                                       static_cast<float>(h(h(pair[1] * c) + h(pair[0] * s)))};
    CHECK_FALSE(own_error(turned, rope_truth(pair, {1, 1, 1, still}, a)).exceeds());
  }
}

TEST_CASE("an element that is off by a little more than its bound is found, at every stage") {
  const DecoderModel model = open_model("qwen3-4");
  End end;
  end.model = &model;
  end.path = {PathName::fast, AttentionKernel::naive, 1};
  at_every_stage(end, arithmetic_of(end), [&](StageAt, auto output, const auto& truth) {
    std::vector<float> wrong(output.begin(), output.end());
    // The element with the widest bound of all.
    const auto at = std::ranges::max_element(truth.bound) - truth.bound.begin();
    const auto i = static_cast<std::size_t>(at);
    wrong[i] = static_cast<float>(truth.value[i] + 2.5 * truth.bound[i] +
                                  std::abs(truth.value[i]) * 0x1p-22);
    const OwnError e = own_error(wrong, truth);
    CHECK(e.exceeds());
    CHECK(e.worst == i);
    CHECK(e.beyond >= 1);
  });
}

TEST_CASE("a value that is not finite is above every floor") {
  const StageTruth truth{{1, 2}, {100, 100}, {}};
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const OwnError e = own_error(std::vector<float>{1, bad}, truth);
    CHECK(e.exceeds());
    CHECK(e.non_finite == 1);
    CHECK(e.worst == 1);
  }
}

TEST_CASE("where no error is possible any error is above the floor") {
  const StageTruth truth{{0, 1}, {0, 0}, {}};
  CHECK_FALSE(own_error(std::vector<float>{0, 1}, truth).exceeds());
  CHECK(own_error(std::vector<float>{0, std::nextafter(1.0f, 2.0f)}, truth).exceeds());
  CHECK(own_error(std::vector<float>{1e-30f, 1}, truth).exceeds());
}

TEST_CASE("a path that declares more than it does is found") {
  const DecoderModel model = open_model("llama4");
  std::size_t sums = 0, halves = 0;
  End end;
  end.model = &model;
  end.path = {PathName::fast, AttentionKernel::naive, 1};
  at_every_stage(end, {.exact_sums = true}, [&](StageAt, auto output, const auto& truth) {
    sums += own_error(output, truth).exceeds() ? 1 : 0;
  });
  CHECK(sums > 4 * 8);  // every stage that sums, and none of those that copy or add two numbers
  end.activations = Format::bf16;
  at_every_stage(end, {}, [&](StageAt, auto output, const auto& truth) {
    halves += own_error(output, truth).exceeds() ? 1 : 0;
  });
  CHECK(halves > 4 * 14);
}

TEST_CASE("products of 8-bit inputs keep the floor that is declared for them, and no other") {
  constexpr std::size_t kRows = 3, kInputs = 256, kOutputs = 40, kBlock = 32;
  std::vector<float> x(kRows * kInputs), w(kOutputs * kInputs);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i * i % 977));
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::cos(static_cast<float>(i * 7 % 1013));
  std::vector<float> coarse = x;
  for (std::size_t b = 0; b < x.size(); b += kBlock) {
    float largest = 0;
    for (std::size_t i = b; i < b + kBlock; ++i) largest = std::max(largest, std::abs(x[i]));
    for (std::size_t i = b; i < b + kBlock; ++i) {
      coarse[i] = std::nearbyint(x[i] / largest * 127) * largest / 127;
    }
  }
  const StageTruth made = product_truth(coarse, kRows, {w}, {.exact_sums = true}, 1);
  std::vector<float> got(made.value.begin(), made.value.end());
  const auto error_under = [&](const Arithmetic& a) {
    return own_error(got, product_truth(x, kRows, {w}, a, 1));
  };
  CHECK_FALSE(error_under({.eight_bit_block = kBlock}).exceeds());
  CHECK(error_under({.eight_bit_block = kBlock}).ratio > 0.1);
  CHECK(error_under({}).exceeds());
  for (float& y : got) y *= 1.5f;
  CHECK(error_under({.eight_bit_block = kBlock}).exceeds());
}

TEST_CASE("the words of a manifest become an arithmetic, or are refused by name") {
  tensor::CapturePath path;
  path.activation_dtype = "bf16";
  path.accumulate_dtype = "F32";
  CHECK(*declared_arithmetic(path) == Arithmetic{.storage = Format::bf16, .fused = true});
  path.activation_dtype = "Q8_K";
  CHECK(declared_arithmetic(path)->eight_bit_block == 256);
  path.accumulate_dtype = "float64";
  CHECK(declared_arithmetic(path)->exact_sums);
  CHECK_FALSE(declared_arithmetic(path)->fused);
  path.accumulate_dtype = "F19";
  REQUIRE_FALSE(declared_arithmetic(path));
  CHECK(declared_arithmetic(path).error().what.find("F19") != std::string::npos);
  path.activation_dtype = "";
  CHECK_FALSE(declared_arithmetic(path));
}

TEST_CASE("a path is read as it is written") {
  for (const char* text :
       {"reference", "fast", "reference-dequant+flash2", "fast+flash2+bf16", "fast+f16"}) {
    const auto end = parse_end(text, {});
    REQUIRE(end);
    CHECK(to_string(*end) == text);
  }
  for (const char* text : {"", "fst", "flash2", "fast+", "fast+fast", "fast+flash3", "+bf16"}) {
    INFO(text);
    CHECK_FALSE(parse_end(text, {}));
  }
}

}  // namespace refute::bisect
