// What quantising costs: the band of each format on Gaussian values, and the bound of each block,
// which correct blocks keep and broken ones do not.

#include "kernels/ggml_bound.hpp"

#include <algorithm>
#include <cmath>

#include "harness/catch.hpp"
#include "kernels/ggml_test_data.hpp"

using namespace refute::kernels;
using namespace refute::kernels::ggml_test;

namespace {

Floats dequantized(GgmlFormat format, const Bytes& blocks, std::size_t count) {
  Floats values(count);
  REQUIRE(cpu_simd::ggml_dequantize(format, blocks, values).status == GgmlStatus::ok);
  return values;
}

Bytes quantized(GgmlFormat format, const Floats& x) {
  Bytes blocks(*ggml_bytes(format, x.size()));
  REQUIRE(cpu_simd::ggml_quantize(format, x, blocks).status == GgmlStatus::ok);
  return blocks;
}

/// How many blocks hold an error above their bound.
std::size_t blocks_above(GgmlFormat format, const Floats& x, const Floats& y) {
  const std::size_t n = ggml_info(format).block_size;
  std::size_t above = 0;
  for (std::size_t at = 0; at < x.size(); at += n) {
    const float bound = ggml_block_bound(format, std::span(x).subspan(at, n));
    bool holds = true;
    for (std::size_t i = at; i < at + n; ++i) {
      holds = holds && (std::isinf(bound) || std::fabs(x[i] - y[i]) <= bound);
    }
    above += !holds;
  }
  return above;
}

double relative_error(GgmlFormat format, const Floats& x) {
  GgmlRunError e;
  REQUIRE(cpu_simd::ggml_quantize_error(format, x, x.size(), {&e, 1}).status == GgmlStatus::ok);
  return std::sqrt(e.sum_d2 / e.sum_x2);
}

}  // namespace

TEST_CASE("Gaussian values lie in the band of every format") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    for (const std::uint64_t seed : {5u, 6u, 7u}) {
      INFO(info.gguf_name << ", seed " << seed);
      const double error = relative_error(info.format, gaussian(1 << 16, seed));
      CHECK(error >= static_cast<double>(info.error_low));
      CHECK(error <= static_cast<double>(info.error_high));
    }
  }
}

TEST_CASE("the bands are those measured elsewhere") {
  const auto holds = [](GgmlFormat format, float figure) {
    return ggml_info(format).error_low < figure && figure < ggml_info(format).error_high;
  };
  CHECK(holds(GgmlFormat::f16, 0.0002f));
  CHECK(holds(GgmlFormat::bf16, 0.0017f));
  CHECK(holds(GgmlFormat::q8_0, 0.0054f));
  CHECK(holds(GgmlFormat::q4_k, 0.0714f));
  CHECK(holds(GgmlFormat::q4_0, 0.0859f));
  CHECK(holds(GgmlFormat::q2_k, 0.296f));
}

TEST_CASE("values that were quantised before fall below the band") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    // Searches do not find their own result again, so only the plain formats are idempotent.
    if (info.block_size == 256 || info.format == GgmlFormat::iq4_nl) continue;
    INFO(info.gguf_name);
    const Floats x = gaussian(1 << 14, 2);
    const Floats y = dequantized(info.format, quantized(info.format, x), x.size());
    CHECK(relative_error(info.format, y) < 0.5 * static_cast<double>(info.error_low));
  }
}

TEST_CASE("correct blocks keep their bound, whatever the values") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    for (int kind = 0; kind < kKinds; ++kind) {
      INFO(info.gguf_name << ", " << kind_name(kind));
      const Floats x = hard_values(kind, 16384, 31);
      const Floats y = dequantized(info.format, quantized(info.format, x), x.size());
      CHECK(blocks_above(info.format, x, y) == 0);
    }
  }
}

TEST_CASE("zeros become zeros and have no error to allow") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    INFO(info.gguf_name);
    const Floats zeros(512, 0.0f);
    const Floats y = dequantized(info.format, quantized(info.format, zeros), zeros.size());
    CHECK(std::ranges::all_of(y, [](float v) { return v == 0.0f; }));
    CHECK(ggml_block_bound(info.format, std::span(zeros).first(info.block_size)) < 0.001f);
  }
}

TEST_CASE("a halved scale breaks the bound") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    // Q2_K has three steps in all: half of its values' size is no more than a correct block may be
    // off by. Its relative error gives it away instead.
    if (info.format == GgmlFormat::q2_k) continue;
    INFO(info.gguf_name);
    const Floats x = gaussian(4096, 12);
    Floats y = dequantized(info.format, quantized(info.format, x), x.size());
    for (float& v : y) v *= 0.5f;
    const std::size_t blocks = x.size() / info.block_size;
    CHECK(blocks_above(info.format, x, y) >= blocks - blocks / 100);
  }
}

TEST_CASE("one code that is wrong in its highest bit breaks the bound of its block") {
  for (const GgmlFormat format : {GgmlFormat::q4_0, GgmlFormat::q4_1, GgmlFormat::q8_0,
                                  GgmlFormat::q4_k, GgmlFormat::q5_k, GgmlFormat::mxfp4}) {
    const GgmlFormatInfo& info = ggml_info(format);
    INFO(info.gguf_name);
    const Floats x = gaussian(info.block_size, 4);
    Bytes blocks = quantized(format, x);
    blocks.back() ^= 0x80;
    CHECK(blocks_above(format, x, dequantized(format, blocks, x.size())) == 1);
  }
}
