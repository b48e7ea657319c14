// cpu_simd gives cpu_scalar's bits on every instruction set, for inputs of every kind and lengths
// around every batch; bad calls are refused and write nothing.

#include <cmath>
#include <cstring>
#include <limits>

#include "harness/catch.hpp"
#include "kernels/ggml_test_data.hpp"
#include "kernels/simd.hpp"

using namespace refute::kernels;
using namespace refute::kernels::ggml_test;

namespace {

template <class Body>
void on_every_target(Body body) {
  for (const char* target : simd_targets()) {
    INFO(target);
    REQUIRE(force_simd_target(target));
    body();
  }
  force_simd_target({});
}

Bytes quantized(decltype(&cpu_simd::ggml_quantize) quantize, GgmlFormat format, const Floats& x) {
  Bytes out(*ggml_bytes(format, x.size()), 0xEE);
  REQUIRE(quantize(format, x, out).status == GgmlStatus::ok);
  return out;
}

bool same_sum(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::memcmp(&a, &b, sizeof a) == 0;
}

bool same_error(const GgmlRunError& a, const GgmlRunError& b) {
  return same_sum(a.sum_d2, b.sum_d2) && same_sum(a.sum_x2, b.sum_x2) &&
         same_sum(a.sum_y2, b.sum_y2) && same_sum(a.sum_xy, b.sum_xy) && a.max_abs == b.max_abs &&
         a.max_index == b.max_index;
}

std::vector<GgmlRunError> errors_of(decltype(&cpu_simd::ggml_quantize_error) kernel,
                                    GgmlFormat format, const Floats& x, std::size_t run) {
  std::vector<GgmlRunError> out((x.size() + run - 1) / run);
  REQUIRE(kernel(format, x, run, out).status == GgmlStatus::ok);
  return out;
}

}  // namespace

TEST_CASE("quantisers agree on all kinds of values") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    for (int kind = 0; kind < kKinds; ++kind) {
      INFO(info.gguf_name << ", " << kind_name(kind));
      const Floats x = hard_values(kind, 4096, 9);
      const Bytes expected = quantized(cpu_scalar::ggml_quantize, info.format, x);
      on_every_target(
          [&] { CHECK(quantized(cpu_simd::ggml_quantize, info.format, x) == expected); });
    }
  }
}

TEST_CASE("quantisers and dequantisers agree at every number of blocks") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    for (std::size_t blocks = 0; blocks <= 35; ++blocks) {
      INFO(info.gguf_name << ", " << blocks << " blocks");
      const Floats x = gaussian(blocks * info.block_size, 10 + blocks);
      const Bytes expected = quantized(cpu_scalar::ggml_quantize, info.format, x);
      Floats values(x.size());
      REQUIRE(cpu_scalar::ggml_dequantize(info.format, expected, values).status == GgmlStatus::ok);
      on_every_target([&] {
        CHECK(quantized(cpu_simd::ggml_quantize, info.format, x) == expected);
        Floats back(x.size());
        REQUIRE(cpu_simd::ggml_dequantize(info.format, expected, back).status == GgmlStatus::ok);
        CHECK(back == values);
      });
    }
  }
}

TEST_CASE("the error pass agrees with quantising and comparing") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    for (const int kind : {0, 2, 5, 7, 8, 10, 11, 14}) {
      INFO(info.gguf_name << ", " << kind_name(kind));
      const Floats x = hard_values(kind, 2816, 3);
      const Floats y = [&] {
        Floats values(x.size());
        const Bytes blocks = quantized(cpu_scalar::ggml_quantize, info.format, x);
        REQUIRE(cpu_scalar::ggml_dequantize(info.format, blocks, values).status == GgmlStatus::ok);
        return values;
      }();
      const auto expected = errors_of(cpu_scalar::ggml_quantize_error, info.format, x, 1280);
      REQUIRE(expected.size() == 3);
      for (std::size_t r = 0; r < 3; ++r) {
        double d2 = 0.0;
        float largest = 0.0f;
        for (std::size_t i = 1280 * r; i < std::min(x.size(), 1280 * (r + 1)); ++i) {
          const float d = x[i] - y[i];
          d2 += static_cast<double>(d) * d;
          if (!(std::fabs(d) <= largest)) largest = std::fabs(d);
        }
        if (std::isfinite(d2)) {
          CHECK(std::fabs(expected[r].sum_d2 - d2) <= 1e-12 * d2);
          CHECK(expected[r].max_abs == largest);
          const std::size_t at = 1280 * r + expected[r].max_index;
          CHECK(std::fabs(x[at] - y[at]) == largest);
        } else {
          CHECK(!std::isfinite(expected[r].sum_d2));
          CHECK(std::isinf(expected[r].max_abs));
        }
      }
      on_every_target([&] {
        const auto found = errors_of(cpu_simd::ggml_quantize_error, info.format, x, 1280);
        for (std::size_t r = 0; r < 3; ++r) CHECK(same_error(found[r], expected[r]));
      });
    }
  }
}

TEST_CASE("the first of equal errors is reported") {
  // In each block of Q8_0 the values 127 and 0.5 give the code 1 for 0.5 (ties away): error 0.5.
  Floats x(1024, 0.0f);
  for (std::size_t b = 0; b < x.size(); b += 32) x[b] = 127.0f;
  for (const std::size_t i : {137u, 138u, 170u, 900u}) x[i] = 0.5f;
  for (const auto kernel : {&cpu_scalar::ggml_quantize_error, &cpu_simd::ggml_quantize_error}) {
    const auto found = errors_of(kernel, GgmlFormat::q8_0, x, 1024);
    CHECK(found[0].max_abs == 0.5f);
    CHECK(found[0].max_index == 137);
    CHECK(found[0].sum_d2 == 1.0);
  }
}

TEST_CASE("NaN and infinity are refused with their place, and nothing is written") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      for (const std::size_t place : {0u, 700u, 5119u}) {
        INFO(info.gguf_name << " at " << place);
        Floats x = gaussian(5120, 1);
        x[place] = bad;
        if (place < 5000) x[5000] = bad;
        const GgmlResult expected = {GgmlStatus::non_finite, place};
        Bytes out(*ggml_bytes(info.format, x.size()), 0xEE);
        const Bytes untouched = out;
        std::vector<GgmlRunError> errors(2);
        CHECK(cpu_scalar::ggml_quantize(info.format, x, out) == expected);
        CHECK(cpu_simd::ggml_quantize(info.format, x, out) == expected);
        CHECK(out == untouched);
        CHECK(cpu_scalar::ggml_quantize_error(info.format, x, 2560, errors) == expected);
        CHECK(cpu_simd::ggml_quantize_error(info.format, x, 2560, errors) == expected);
      }
    }
  }
}

TEST_CASE("spans that do not fit are refused") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    INFO(info.gguf_name);
    const std::size_t n = info.block_size, bytes = info.block_bytes;
    const auto refuses = [&](std::size_t values, std::size_t size) {
      const Floats x(values, 1.0f);
      Bytes out(size);
      Floats back(values);
      return cpu_scalar::ggml_quantize(info.format, x, out).status == GgmlStatus::size_mismatch &&
             cpu_simd::ggml_quantize(info.format, x, out).status == GgmlStatus::size_mismatch &&
             cpu_scalar::ggml_dequantize(info.format, out, back).status ==
                 GgmlStatus::size_mismatch &&
             cpu_simd::ggml_dequantize(info.format, out, back).status == GgmlStatus::size_mismatch;
    };
    CHECK(refuses(n, bytes - 1));
    CHECK(refuses(n, bytes + 1));
    CHECK(refuses(2 * n, bytes));
    CHECK(refuses(0, 1));
    if (n > 1) CHECK(refuses(n - 1, bytes));
    if (n > 1) CHECK(refuses(n + 1, bytes));
    const Floats x(2 * n, 1.0f);
    std::vector<GgmlRunError> errors(2);
    const auto status = [&](std::size_t run, std::size_t runs) {
      return cpu_simd::ggml_quantize_error(info.format, x, run, std::span(errors).first(runs))
          .status;
    };
    CHECK(status(0, 1) == GgmlStatus::size_mismatch);
    CHECK(status(n, 1) == GgmlStatus::size_mismatch);
    CHECK(status(2 * n, 2) == GgmlStatus::size_mismatch);
    if (n > 1) CHECK(status(n + 1, 2) == GgmlStatus::size_mismatch);
    CHECK(status(n, 2) == GgmlStatus::ok);
  }
}

TEST_CASE("formats are found by name and by GGUF type") {
  STATIC_REQUIRE(ggml_format_named("q4_0") == GgmlFormat::q4_0);
  STATIC_REQUIRE(ggml_format_named("Q4_K") == GgmlFormat::q4_k);
  STATIC_REQUIRE(ggml_format_named("IQ4_NL") == GgmlFormat::iq4_nl);
  STATIC_REQUIRE(!ggml_format_named("q4_").has_value());
  STATIC_REQUIRE(!ggml_format_named("q4_00").has_value());
  STATIC_REQUIRE(!ggml_format_named("").has_value());
  STATIC_REQUIRE(ggml_format_of_type(12) == GgmlFormat::q4_k);
  STATIC_REQUIRE(!ggml_format_of_type(0).has_value());
  STATIC_REQUIRE(!ggml_bytes(GgmlFormat::q4_0, 33).has_value());
  STATIC_REQUIRE(!ggml_bytes(GgmlFormat::f16, static_cast<std::size_t>(-1)).has_value());
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    CHECK(&ggml_info(info.format) == &info);
    CHECK(ggml_format_named(info.gguf_name) == info.format);
    CHECK(ggml_format_of_type(info.type_id) == info.format);
  }
}
