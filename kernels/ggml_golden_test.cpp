// Byte for byte what ggml's own code made, both ways.

#include "harness/catch.hpp"
#include "kernels/ggml_test_data.hpp"

using namespace refute::kernels;
using namespace refute::kernels::ggml_test;

namespace {

/// The golden files carry ggml's spelling with a small q: q4_K, iq4_nl.
std::string file_stem(const GgmlFormatInfo& info) {
  std::string stem(info.name);
  if (stem.ends_with("_k")) stem.back() = 'K';
  return stem;
}

bool has_golden(const GgmlFormatInfo& info) {
  return info.block_size > 1;
}

void check_quantisers(const std::string& folder, const std::string& input) {
  const Floats x = read_floats(folder + input);
  REQUIRE(x.size() >= 4096);
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    if (!has_golden(info)) continue;
    INFO(folder << " " << info.gguf_name);
    const Bytes expected = read_bytes(folder + file_stem(info) + ".blocks");
    REQUIRE(expected.size() == ggml_bytes(info.format, x.size()));
    Bytes scalar(expected.size(), 0xAA), simd(expected.size(), 0x55);
    REQUIRE(cpu_scalar::ggml_quantize(info.format, x, scalar).status == GgmlStatus::ok);
    CHECK(scalar == expected);
    REQUIRE(cpu_simd::ggml_quantize(info.format, x, simd).status == GgmlStatus::ok);
    CHECK(simd == expected);
  }
}

}  // namespace

TEST_CASE("quantisers give ggml's bytes") {
  check_quantisers("ggml/", "input.f32");
}

TEST_CASE("quantisers give ggml's bytes on hard inputs") {
  check_quantisers("ggml_hard/", "input.f32");
}

TEST_CASE("dequantisers give ggml's values") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    if (!has_golden(info)) continue;
    INFO(info.gguf_name);
    const Bytes blocks = read_bytes("ggml/" + file_stem(info) + ".blocks");
    const Bytes expected = read_bytes("ggml/" + file_stem(info) + ".f32");
    const auto bytes_of = [&](auto dequantize) {
      Floats values(expected.size() / sizeof(float), -1.0f);
      REQUIRE(dequantize(info.format, blocks, values).status == GgmlStatus::ok);
      const auto* p = reinterpret_cast<const std::uint8_t*>(values.data());
      return Bytes(p, p + expected.size());
    };
    CHECK(bytes_of(cpu_scalar::ggml_dequantize) == expected);
    CHECK(bytes_of(cpu_simd::ggml_dequantize) == expected);
  }
}
