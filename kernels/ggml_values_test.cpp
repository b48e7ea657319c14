// Dequantisers against the exact oracle, on every instruction set: random blocks, and all 65536
// patterns of the 16-bit floats.

#include <bit>
#include <cmath>

#include "fixtures/oracles/ggml_oracle.hpp"
#include "harness/catch.hpp"
#include "kernels/ggml_test_data.hpp"
#include "kernels/simd.hpp"

using namespace refute;
using namespace refute::kernels;
using namespace refute::kernels::ggml_test;

namespace {

template <class Dequantize>
std::size_t first_difference(Dequantize dequantize, GgmlFormat format, const Bytes& blocks,
                             const Floats& expected) {
  Floats values(expected.size(), 7.0f);
  REQUIRE(dequantize(format, blocks, values).status == GgmlStatus::ok);
  std::size_t i = 0;
  while (i < values.size() && same_value(values[i], expected[i])) ++i;
  return i;
}

void check_all_targets(const GgmlFormatInfo& info, const Bytes& blocks) {
  const Floats expected = oracles::ggml_values(info.gguf_name, blocks);
  REQUIRE(ggml_bytes(info.format, expected.size()) == blocks.size());
  INFO(info.gguf_name);
  CHECK(first_difference(cpu_scalar::ggml_dequantize, info.format, blocks, expected) ==
        expected.size());
  for (const char* target : simd_targets()) {
    INFO(target);
    REQUIRE(force_simd_target(target));
    CHECK(first_difference(cpu_simd::ggml_dequantize, info.format, blocks, expected) ==
          expected.size());
  }
  force_simd_target({});
}

Bytes all_halves() {
  Bytes bytes;
  for (unsigned h = 0; h < 65536; ++h) {
    bytes.push_back(static_cast<std::uint8_t>(h));
    bytes.push_back(static_cast<std::uint8_t>(h >> 8));
  }
  return bytes;
}

}  // namespace

TEST_CASE("random blocks have the oracle's values") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    check_all_targets(info, random_bytes(500 * info.block_bytes, 42));
  }
}

TEST_CASE("all 16-bit patterns have the oracle's values") {
  check_all_targets(ggml_info(GgmlFormat::f16), all_halves());
  check_all_targets(ggml_info(GgmlFormat::bf16), all_halves());
}

TEST_CASE("every 16-bit value that is finite survives the way there and back") {
  const Bytes halves = all_halves();
  for (const GgmlFormat format : {GgmlFormat::f16, GgmlFormat::bf16}) {
    Floats values(65536);
    REQUIRE(cpu_simd::ggml_dequantize(format, halves, values).status == GgmlStatus::ok);
    Bytes finite;
    Floats kept;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) continue;
      kept.push_back(values[i]);
      finite.insert(finite.end(), {halves[2 * i], halves[2 * i + 1]});
    }
    Bytes scalar(finite.size()), simd(finite.size());
    REQUIRE(cpu_scalar::ggml_quantize(format, kept, scalar).status == GgmlStatus::ok);
    REQUIRE(cpu_simd::ggml_quantize(format, kept, simd).status == GgmlStatus::ok);
    CHECK(scalar == finite);
    CHECK(simd == finite);
  }
}

TEST_CASE("binary16 NaNs stay NaN, quiet, with their payload") {
  const Bytes signalling = {0x01, 0xFC};  // 0xFC01
  for (const auto dequantize : {&cpu_scalar::ggml_dequantize, &cpu_simd::ggml_dequantize}) {
    // Enough of them to reach the vectors.
    Bytes many;
    for (int i = 0; i < 16; ++i) many.insert(many.end(), signalling.begin(), signalling.end());
    Floats values(16);
    REQUIRE(dequantize(GgmlFormat::f16, many, values).status == GgmlStatus::ok);
    CHECK(std::bit_cast<std::uint32_t>(values[0]) == 0xFFC02000u);
  }
}

TEST_CASE("rounding to 16 bits is to nearest, ties to even") {
  struct Row {
    GgmlFormat format;
    float value;
    std::uint16_t bits;
  };
  const Row rows[] = {
      {GgmlFormat::f16, 1.0f + 0x1p-11f, 0x3C00},  {GgmlFormat::f16, 1.0f + 0x3p-11f, 0x3C02},
      {GgmlFormat::f16, 0x1p-25f, 0x0000},         {GgmlFormat::f16, 0x1.000002p-25f, 0x0001},
      {GgmlFormat::f16, 0x3p-25f, 0x0002},         {GgmlFormat::f16, 0x1.FFBp-15f, 0x03FF},
      {GgmlFormat::f16, 0x1.FFCp-15f, 0x0400},     {GgmlFormat::f16, -0.0f, 0x8000},
      {GgmlFormat::f16, 65519.996f, 0x7BFF},       {GgmlFormat::f16, 65520.0f, 0x7C00},
      {GgmlFormat::bf16, 1.0f + 0x1p-8f, 0x3F80},  {GgmlFormat::bf16, 1.0f + 0x3p-8f, 0x3F82},
      {GgmlFormat::bf16, 0x1p-133f, 0x0001},       {GgmlFormat::bf16, 0x1p-134f, 0x0000},
      {GgmlFormat::bf16, 0x1.FFFFFEp127f, 0x7F80}, {GgmlFormat::bf16, -0.0f, 0x8000},
  };
  for (const Row& row : rows) {
    INFO(ggml_info(row.format).name << " " << row.value);
    for (const auto quantize : {&cpu_scalar::ggml_quantize, &cpu_simd::ggml_quantize}) {
      const Floats many(17, row.value);
      Bytes out(34);
      REQUIRE(quantize(row.format, many, out).status == GgmlStatus::ok);
      CHECK((out[0] | out[1] << 8) == row.bits);
      CHECK((out[32] | out[33] << 8) == row.bits);
    }
  }
}
