// The block codec of cpu_scalar and cpu_simd against the oracle, and its edge blocks.

#include "kernels/nf4.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "fixtures/oracles/nf4_oracle.hpp"
#include "harness/catch.hpp"
#include "kernels/backend_test.hpp"

using namespace refute;
using namespace refute::kernels;

namespace {

struct Backend {
  std::string name;
  decltype(&cpu_scalar::nf4_quantize) quantize = cpu_scalar::nf4_quantize;
  decltype(&cpu_scalar::nf4_dequantize) dequantize = cpu_scalar::nf4_dequantize;
  decltype(&cpu_scalar::nf4_pack) pack = cpu_scalar::nf4_pack;
  decltype(&cpu_scalar::nf4_unpack) unpack = cpu_scalar::nf4_unpack;
};

template <class Body>
void for_each_backend(Body body) {
  body(Backend{"cpu_scalar"});
  for_each_simd_target([&](const std::string& name) {
    body(Backend{name, cpu_simd::nf4_quantize, cpu_simd::nf4_dequantize, cpu_simd::nf4_pack,
                 cpu_simd::nf4_unpack});
  });
}

constexpr Nf4Decision kDecisions[] = {Nf4Decision::thresholds, Nf4Decision::nearest};

std::uint8_t expected(float x, Nf4Decision decision) {
  return decision == Nf4Decision::thresholds ? oracles::nf4_code_by_thresholds(x)
                                             : oracles::nf4_code_by_distance(x);
}

/// Blocks whose absmax is 1, so that every value is its own normalised value: each threshold with
/// its neighbours.
std::vector<float> boundary_blocks() {
  std::vector<float> w;
  const auto add = [&](float x) {
    if (w.size() % kNf4Block == 0) w.push_back(1.0f);
    w.push_back(x);
  };
  for (const float threshold : oracles::nf4_thresholds()) {
    add(threshold);
    add(std::nextafter(threshold, -2.0f));
    add(std::nextafter(threshold, 2.0f));
  }
  for (const float value : oracles::nf4_codebook()) add(value);
  for (const float x : {-0.0f, 0x1p-149f, -0x1p-149f, 0x1p-126f}) add(x);
  while (w.size() % kNf4Block != 0) add(-1.0f);
  return w;
}

std::vector<float> normal_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> w(count);
  for (float& x : w) {
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<float>(random()) * 0x1p-32f;
    x = sum;
  }
  return w;
}

struct Quantized {
  std::vector<std::uint8_t> codes;
  std::vector<float> absmax;
  Nf4Result result;
};

Quantized quantize(const Backend& backend, const std::vector<float>& w, Nf4Decision decision) {
  Quantized q{
      std::vector<std::uint8_t>(w.size(), 0xAA), std::vector<float>(w.size() / kNf4Block, NAN), {}};
  q.result = backend.quantize(w, 1, w.size(), decision, q.codes, q.absmax);
  return q;
}

}  // namespace

TEST_CASE("the public codebook is the oracle's, bit for bit") {
  CHECK(std::ranges::equal(kNf4Codebook, oracles::nf4_codebook()));
}

TEST_CASE("nf4 codes are right at every boundary, by both decisions") {
  const auto w = boundary_blocks();
  for_each_backend([&](const Backend& backend) {
    for (const auto decision : kDecisions) {
      const auto q = quantize(backend, w, decision);
      CHECK(q.result.status == Nf4Status::ok);
      for (std::size_t i = 0; i < w.size(); ++i) {
        INFO(backend.name << " value " << w[i]);
        CHECK(int{q.codes[i]} == int{expected(w[i], decision)});
      }
    }
  });
}

TEST_CASE("a block is normalised by the reciprocal of its own largest magnitude") {
  const auto w = normal_values(64 * 256, 5);
  for_each_backend([&](const Backend& backend) {
    for (const auto decision : kDecisions) {
      const auto q = quantize(backend, w, decision);
      std::size_t wrong = 0;
      for (std::size_t b = 0; b < q.absmax.size(); ++b) {
        float most = 0;
        for (std::size_t i = 0; i < kNf4Block; ++i)
          most = std::max(most, std::fabs(w[b * kNf4Block + i]));
        wrong += q.absmax[b] != most;
        const float inverse = 1.0f / most;
        for (std::size_t i = b * kNf4Block; i < (b + 1) * kNf4Block; ++i) {
          wrong += q.codes[i] != expected(w[i] * inverse, decision);
        }
      }
      INFO(backend.name);
      CHECK(wrong == 0);
    }
  });
}

TEST_CASE("edge blocks: all zero, subnormal, and at the end of the range") {
  for_each_backend([&](const Backend& backend) {
    INFO(backend.name);
    for (const auto decision : kDecisions) {
      std::vector<float> w(64, 0.0f);
      w[3] = -0.0f;
      auto q = quantize(backend, w, decision);
      CHECK(std::bit_cast<std::uint32_t>(q.absmax[0]) == 0);
      CHECK(std::ranges::count(q.codes, 7) == 64);

      w[0] = 0x1p-149f;  // its reciprocal is infinite, and 0 · inf would be NaN
      w[1] = -0x1p-149f;
      q = quantize(backend, w, decision);
      CHECK(q.absmax[0] == 0x1p-149f);
      CHECK(int{q.codes[0]} == 15);
      CHECK(int{q.codes[1]} == 0);
      CHECK(std::ranges::count(q.codes, 7) == 62);

      w[0] = std::numeric_limits<float>::max();
      w[1] = -w[0];
      q = quantize(backend, w, decision);
      CHECK(q.absmax[0] == w[0]);
      CHECK(int{q.codes[0]} == 15);
      CHECK(int{q.codes[1]} == 0);
    }
  });
}

TEST_CASE("a value that is not finite is reported with its first index and nothing is written") {
  for_each_backend([&](const Backend& backend) {
    for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
      std::vector<float> w(128, 1.0f);
      w[77] = bad;
      w[99] = bad;
      const auto q = quantize(backend, w, Nf4Decision::thresholds);
      INFO(backend.name);
      CHECK(q.result.status == Nf4Status::non_finite);
      CHECK(q.result.index == 77);
      CHECK(std::ranges::count(q.codes, 0xAA) == 128);
      CHECK(std::isnan(q.absmax[0]));
    }
  });
}

TEST_CASE("blocks run along the columns: a count that divides by 64 is not enough") {
  for_each_backend([&](const Backend& backend) {
    INFO(backend.name);
    const std::vector<float> w(64, 1.0f);
    std::vector<std::uint8_t> codes(64);
    std::vector<float> absmax(1), out(64);
    const auto status = [&](std::size_t rows, std::size_t cols) {
      return backend.quantize(w, rows, cols, Nf4Decision::nearest, codes, absmax).status;
    };
    CHECK(status(2, 32) == Nf4Status::misaligned);
    CHECK(status(1, 64) == Nf4Status::ok);
    CHECK(status(2, 64) == Nf4Status::size_mismatch);
    CHECK(status(std::size_t{1} << 58, 64) ==
          Nf4Status::size_mismatch);  // the product wraps around to 0
    CHECK(backend.dequantize(codes, absmax, 2, 32, out).status == Nf4Status::misaligned);
    CHECK(backend.dequantize(codes, absmax, 1, 128, out).status == Nf4Status::size_mismatch);
    std::vector<std::uint8_t> packed(35);
    CHECK(backend.pack(codes, absmax, 1, 64, Nf4Layout::first_low, packed).status ==
          Nf4Status::size_mismatch);
    CHECK(backend.unpack(packed, 1, 64, Nf4Layout::first_low, codes, absmax).status ==
          Nf4Status::size_mismatch);
  });
}

TEST_CASE("all 256 code bytes dequantise through their low nibble") {
  std::vector<std::uint8_t> codes(256);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
  const std::vector<float> absmax = {1.0f, 0.3f, 0.0f, 0x1p-140f};
  for_each_backend([&](const Backend& backend) {
    INFO(backend.name);
    std::vector<float> out(256);
    CHECK(backend.dequantize(codes, absmax, 4, 64, out).status == Nf4Status::ok);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const float want = oracles::nf4_codebook()[i % 16] * absmax[i / 64];
      CHECK(std::bit_cast<std::uint32_t>(out[i]) == std::bit_cast<std::uint32_t>(want));
    }
  });
}

TEST_CASE("packed blocks are the oracle's bytes in both layouts, and unpack to what was packed") {
  std::mt19937 random(9);
  std::vector<std::uint8_t> codes(64 * 6);
  for (auto& code : codes) code = static_cast<std::uint8_t>(random() % 16);
  const std::vector<float> absmax = {1.5f, 0.0f, 0x1p-149f, 3e38f, 2.0f, 0.1f};
  for_each_backend([&](const Backend& backend) {
    for (const auto layout : {Nf4Layout::first_low, Nf4Layout::first_high}) {
      INFO(backend.name);
      std::vector<std::uint8_t> packed(nf4_packed_size(2, 192)), back(codes.size());
      std::vector<float> scales(absmax.size());
      REQUIRE(backend.pack(codes, absmax, 2, 192, layout, packed).status == Nf4Status::ok);
      for (std::size_t b = 0; b < absmax.size(); ++b) {
        const auto block = oracles::nf4_block_bytes(std::span(codes).subspan(b * 64).first<64>(),
                                                    absmax[b], layout == Nf4Layout::first_high);
        CHECK(std::equal(block.begin(), block.end(),
                         packed.begin() + static_cast<std::ptrdiff_t>(b * 36)));
      }
      REQUIRE(backend.unpack(packed, 2, 192, layout, back, scales).status == Nf4Status::ok);
      CHECK(back == codes);
      CHECK(scales == absmax);
    }
  });
}

TEST_CASE("nf4 takes 36 bytes where f32 takes 256") {
  CHECK(nf4_packed_size(1024, 4096) * 256 == std::size_t{1024} * 4096 * 4 * 36);
}
