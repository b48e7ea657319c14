// Scaling, on every granularity: what the scale is, what is refused, and the round trip.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "fixtures/oracles/fp8_oracle.hpp"
#include "harness/catch.hpp"
#include "kernels/backend_test.hpp"
#include "kernels/fp8.hpp"

using namespace refute;
using namespace refute::kernels;

namespace {

struct Backend {
  std::string name;
  decltype(&cpu_scalar::fp8_quantize) quantize = cpu_scalar::fp8_quantize;
  decltype(&cpu_scalar::fp8_dequantize) dequantize = cpu_scalar::fp8_dequantize;
};

template <class Body>
void for_each_backend(Body body) {
  body(Backend{"cpu_scalar"});
  for_each_simd_target([&](const std::string& name) {
    body(Backend{name, cpu_simd::fp8_quantize, cpu_simd::fp8_dequantize});
  });
}

struct Quantized {
  std::vector<std::uint8_t> codes;
  std::vector<float> scales;
  Fp8QuantizeResult result;
};

Quantized quantize(const Backend& backend, const std::vector<float>& w, Fp8Layout layout,
                   Fp8Mode mode = {}) {
  Quantized q{std::vector<std::uint8_t>(w.size(), 0xAA),
              std::vector<float>(layout.scale_count(), -1.0f),
              {}};
  q.result = backend.quantize(w, layout, mode, q.codes, q.scales);
  return q;
}

constexpr Fp8Layout row(std::size_t n) {
  return {.rows = 1, .cols = n};
}

std::vector<float> uniform_values(std::size_t count) {
  std::mt19937 random(11);
  std::vector<float> w(count);
  for (float& x : w) x = static_cast<float>(random()) * 0x1p-31f - 1.0f;
  return w;
}

}  // namespace

TEST_CASE("the scale is the group's largest magnitude over the largest finite value") {
  auto w = uniform_values(4 * 256);
  for (std::size_t i = 256; i < 512; ++i) w[i] *= 1000.0f;
  const Fp8Layout layouts[] = {{4, 256, Fp8Granularity::tensor, 128},
                               {4, 256, Fp8Granularity::channel, 128},
                               {4, 256, Fp8Granularity::block, 128},
                               {4, 256, Fp8Granularity::block, 32}};
  for (const Fp8Layout& layout : layouts) {
    for (const auto format : {Fp8Format::e4m3, Fp8Format::e5m2}) {
      for_each_backend([&](const Backend& backend) {
        INFO(backend.name << ", " << layout.scale_count() << " scales");
        const auto q = quantize(backend, w, layout, {.format = format});
        REQUIRE(q.result.status == Fp8Status::ok);
        const std::size_t length = w.size() / q.scales.size();
        std::size_t wrong = 0;
        for (std::size_t g = 0; g < q.scales.size(); ++g) {
          float most = 0;
          for (std::size_t i = g * length; i < (g + 1) * length; ++i)
            most = std::max(most, std::fabs(w[i]));
          wrong += q.scales[g] != most / fp8_max_finite(format);
          for (std::size_t i = g * length; i < (g + 1) * length; ++i) {
            const float quotient = w[i] / q.scales[g];
            wrong += q.codes[i] !=
                     oracles::fp8_encode_bits(
                         std::bit_cast<std::uint32_t>(quotient),
                         format == Fp8Format::e4m3 ? oracles::Fp8::e4m3 : oracles::Fp8::e5m2,
                         oracles::Ties::even, oracles::Overflow::satfinite);
          }
        }
        CHECK(wrong == 0);
      });
    }
  }
}

TEST_CASE("a group of zeros has scale 1 and keeps the sign of each zero") {
  for_each_backend([](const Backend& backend) {
    INFO(backend.name);
    std::vector<float> w(40, 0.0f);
    w[39] = -0.0f;
    const auto q = quantize(backend, w, row(40));
    CHECK(q.scales[0] == 1.0f);
    CHECK(int{q.codes[0]} == 0x00);
    CHECK(int{q.codes[39]} == 0x80);
  });
}

TEST_CASE("a scale that would underflow is raised to the least normal float") {
  const float least = std::numeric_limits<float>::min();
  for_each_backend([&](const Backend& backend) {
    INFO(backend.name);
    auto q = quantize(backend, {0x1p-149f, 0.0f}, row(2));
    CHECK(q.scales[0] == least);
    CHECK(int{q.codes[0]} == 0);
    q = quantize(backend, {448 * least, -least}, row(2));
    CHECK(q.scales[0] == least);
    CHECK(int{q.codes[0]} == 0x7E);
    CHECK(int{q.codes[1]} == 0xB8);
    q = quantize(backend, {std::numeric_limits<float>::max(), 1.0f}, row(2));
    CHECK(q.scales[0] == std::numeric_limits<float>::max() / 448.0f);
    CHECK(int{q.codes[0]} == 0x7E);
  });
}

TEST_CASE("the element that makes the scale gets the top code, in every mode") {
  std::mt19937 random(17);
  for (int i = 0; i < 2000; ++i) {
    const std::uint32_t bits =
        (static_cast<std::uint32_t>(random()) & 0x007FFFFFu) | (20 + random() % 230) << 23;
    const std::vector<float> w = {std::bit_cast<float>(bits)};
    for (const auto overflow : {Fp8Overflow::satfinite, Fp8Overflow::nonsat}) {
      CHECK(int{quantize({"cpu_scalar"}, w, row(1), {.overflow = overflow}).codes[0]} == 0x7E);
    }
  }
}

TEST_CASE("a value that is not finite is reported with its first index and nothing is written") {
  for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    for_each_backend([&](const Backend& backend) {
      INFO(backend.name);
      std::vector<float> w(4 * 64, 1.0f);
      w[131] = bad;
      w[200] = NAN;
      for (const auto granularity :
           {Fp8Granularity::tensor, Fp8Granularity::channel, Fp8Granularity::block}) {
        const auto q = quantize(backend, w, {4, 64, granularity, 32});
        CHECK(q.result.status == Fp8Status::non_finite);
        CHECK(q.result.index == 131);
        CHECK(std::ranges::count(q.codes, 0xAA) == 256);
        CHECK(std::ranges::count(q.scales, -1.0f) == std::ranges::ssize(q.scales));
      }
    });
  }
}

TEST_CASE("spans that do not fit the layout are refused") {
  for_each_backend([](const Backend& backend) {
    INFO(backend.name);
    const std::vector<float> w(64, 1.0f);
    std::vector<std::uint8_t> codes(64);
    std::vector<float> scales(2), out(64);
    const auto status = [&](Fp8Layout layout) {
      return backend.quantize(w, layout, {}, codes, scales).status;
    };
    CHECK(status({2, 32, Fp8Granularity::channel, 128}) == Fp8Status::ok);
    CHECK(status({2, 32, Fp8Granularity::tensor, 128}) == Fp8Status::size_mismatch);
    CHECK(status({2, 33, Fp8Granularity::channel, 128}) == Fp8Status::size_mismatch);
    CHECK(status({1, 64, Fp8Granularity::block, 48}) == Fp8Status::size_mismatch);
    CHECK(status({1, 64, Fp8Granularity::block, 0}) == Fp8Status::size_mismatch);
    CHECK(status({std::size_t{1} << 63, 2, Fp8Granularity::tensor, 1}) == Fp8Status::size_mismatch);
    const Fp8Layout wrong{2, 31, Fp8Granularity::channel, 128};
    CHECK(backend.dequantize(codes, scales, wrong, Fp8Format::e4m3, out).status ==
          Fp8Status::size_mismatch);
  });
}

TEST_CASE("dequantise gives the same bits everywhere, NaN and infinity codes included") {
  std::vector<std::uint8_t> codes(512);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
  const std::vector<float> scales = {0.3f, 0x1p-130f};
  const Fp8Layout layout{2, 256, Fp8Granularity::channel, 128};
  for (const auto format : {Fp8Format::e4m3, Fp8Format::e5m2}) {
    std::vector<float> want(512);
    REQUIRE(cpu_scalar::fp8_dequantize(codes, scales, layout, format, want).status ==
            Fp8Status::ok);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const auto of = format == Fp8Format::e4m3 ? oracles::Fp8::e4m3 : oracles::Fp8::e5m2;
      const float value = std::bit_cast<float>(oracles::fp8_decode_bits(codes[i], of));
      if (!std::isnan(value)) CHECK(want[i] == value * scales[i / 256]);
    }
    for_each_simd_target([&](const std::string& name) {
      INFO(name);
      std::vector<float> out(512);
      CHECK(cpu_simd::fp8_dequantize(codes, scales, layout, format, out).status == Fp8Status::ok);
      CHECK(std::ranges::equal(
          out, want, {}, [](float x) { return std::bit_cast<std::uint32_t>(x); },
          [](float x) { return std::bit_cast<std::uint32_t>(x); }));
    });
  }
}

TEST_CASE("the capability classifier and the named gate stand at their thresholds") {
  CHECK_FALSE(fp8_capability(0).measured);
  CHECK(fp8_capability(0).convert);
  CHECK_FALSE(fp8_capability(74).weight_only);
  CHECK(fp8_capability(75).weight_only);
  CHECK_FALSE(fp8_capability(88).native_gemm);
  CHECK(fp8_capability(89).native_gemm);
  CHECK(fp8_gate(0) == Fp8Gate::not_measured);
  CHECK(fp8_gate(-1) == Fp8Gate::not_measured);
  CHECK(fp8_gate(89) == Fp8Gate::incapable);
  CHECK(fp8_gate(90) == Fp8Gate::capable);
}
