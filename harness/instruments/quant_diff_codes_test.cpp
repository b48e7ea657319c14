// Healthy blocks raise no alarm, whatever is in them; one nibble of them flipped does.

#include "harness/instruments/quant_diff_codes.hpp"

#include <cmath>
#include <cstring>

#include "harness/catch.hpp"
#include "harness/instruments/quant_diff_judge.hpp"
#include "kernels/ggml_test_data.hpp"
#include "kernels/nf4.hpp"

namespace refute::instruments {
namespace {

using namespace kernels;
using namespace kernels::ggml_test;
using tensor::DType;
using tensor::ModelTensor;

std::span<const std::byte> as_stored(const auto& v) {
  return std::as_bytes(std::span(v));
}

ModelTensor tensor_of(tensor::TensorType type, std::size_t count,
                      std::span<const std::byte> bytes) {
  ModelTensor t;
  t.name.push_back('w');
  t.type = std::move(type);
  t.shape = {1, count};
  t.count = count;
  t.bytes = bytes;
  return t;
}

/// A format as a stored tensor has it: F16 and BF16 are plain types.
tensor::TensorType type_of(GgmlFormat format) {
  if (format == GgmlFormat::f16) return DType::f16;
  if (format == GgmlFormat::bf16) return DType::bf16;
  return format;
}

/// Values, their stored form, and the two as tensors.
struct Model {
  Floats x;
  Bytes stored;
  std::vector<float> scales;
  ModelTensor reference, other;

  Floats read() const {
    Floats y(x.size());
    REQUIRE_FALSE(tensor::dequantize(other, 0, y));
    return y;
  }
  CodeCheck check() const { return check_codes(other, 0, x, read()); }
};

void bind(Model& m, tensor::TensorType type) {
  m.reference = tensor_of(DType::f32, m.x.size(), as_stored(m.x));
  m.other = tensor_of(std::move(type), m.x.size(), as_stored(m.stored));
}

Model quantised(GgmlFormat format, Floats x) {
  Model m{.x = std::move(x), .stored = {}, .scales = {}, .reference = {}, .other = {}};
  m.stored.resize(*ggml_bytes(format, m.x.size()));
  REQUIRE(cpu_scalar::ggml_quantize(format, m.x, m.stored).status == GgmlStatus::ok);
  bind(m, type_of(format));
  return m;
}

Model as_fp8(Fp8Format format, Floats x) {
  Model m{.x = std::move(x), .stored = {}, .scales = {0}, .reference = {}, .other = {}};
  m.stored.resize(m.x.size());
  const Fp8Layout layout{.rows = 1, .cols = m.x.size()};
  (void)cpu_scalar::fp8_quantize(m.x, layout, {.format = format}, m.stored, m.scales);
  bind(m, tensor::ScaledFp8{format, 1, m.x.size()});
  m.other.scales = {.name = "w_scale", .type = DType::f32, .bytes = as_stored(m.scales)};
  return m;
}

Model as_nf4(Floats x) {
  Model m{.x = std::move(x), .stored = {}, .scales = {}, .reference = {}, .other = {}};
  Bytes codes(m.x.size());
  m.scales.resize(m.x.size() / kNf4Block);
  (void)cpu_scalar::nf4_quantize(m.x, 1, m.x.size(), Nf4Decision::thresholds, codes, m.scales);
  m.stored.resize(m.x.size() / 2);
  for (std::size_t i = 0; i < m.stored.size(); ++i)
    m.stored[i] = static_cast<std::uint8_t>(codes[2 * i] << 4 | codes[2 * i + 1]);
  bind(m, tensor::GroupedNf4{kNf4Block});
  m.other.scales = {.name = "w.absmax", .type = DType::f32, .bytes = as_stored(m.scales)};
  m.other.codebook.assign(kNf4Codebook.begin(), kNf4Codebook.end());
  return m;
}

bool all_finite(const Floats& y) {
  return std::ranges::all_of(y, [](float v) { return std::isfinite(v); });
}

void check_clean(const Model& m) {
  if (!all_finite(m.read())) return;  // scales that overflowed; a diff reports these first
  const CodeCheck c = m.check();
  CHECK(c.blocks != 0);
  CHECK(c.elements == m.x.size());
  CHECK(c.over_bound == 0);
  CHECK(c.not_nearest == 0);
  CHECK(c.differing == 0);
}

/// What the whole judgement says of it.
DiffRow judged(const Model& m, bool thorough = false) {
  const TensorPair pair{.reference = &m.reference, .other = &m.other};
  const PassResult result = measure_pairs(std::span(&pair, 1), {.thorough = thorough});
  return judge_pair(pair, result.pairs[0], 0.95);
}

/// Flips low bits of nibbles one after the other; how many of these faults were found, of how many.
struct Flips {
  std::size_t found = 0, at_the_place = 0, tried = 0;
};

Flips flip_nibbles(Model m, std::size_t begin, std::size_t stride, std::uint8_t mask) {
  Flips flips;
  for (std::size_t at = begin; at < m.stored.size(); at += stride) {
    const Floats before = m.read();
    m.stored[at] ^= mask;
    const Floats after = m.read();
    std::size_t place = 0;
    while (place < before.size() && before[place] == after[place]) ++place;
    if (place != before.size()) {
      ++flips.tried;
      const DiffRow row = judged(m);
      flips.found += !row.findings.empty();
      const CodeCheck& c = row.codes;
      for (const auto& fault : {c.worst_differing, c.worst_not_nearest, c.worst_over_bound})
        if (fault && fault->index == place) {
          ++flips.at_the_place;
          break;
        }
    }
    m.stored[at] ^= mask;
  }
  return flips;
}

}  // namespace

TEST_CASE("blocks of the reference quantisers raise no alarm, whatever they hold") {
  for (const GgmlFormatInfo& info : kGgmlFormats) {
    INFO(info.gguf_name);
    for (int kind = 0; kind < kKinds; ++kind) {
      INFO(kind_name(kind));
      for (std::uint64_t seed = 1; seed <= 6; ++seed)
        check_clean(quantised(info.format, hard_values(kind, 2048, seed)));
    }
  }
}

TEST_CASE("FP8 and NF4 codes raise no alarm") {
  for (int kind = 0; kind < kKinds; ++kind) {
    INFO(kind_name(kind));
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      const Floats x = hard_values(kind, 1024, seed);
      check_clean(as_fp8(Fp8Format::e4m3, x));
      check_clean(as_fp8(Fp8Format::e5m2, x));
      check_clean(as_nf4(x));
    }
  }
}

/// Nearly all: a flipped bit of a scale's low digits can leave every code the nearest one. The
/// place is known unless several values changed at once, with a scale or with two codes of 2 bits.
void check_flips(const Flips& flips) {
  REQUIRE(flips.tried >= 6);
  CHECK(flips.found + 1 >= flips.tried);
  CHECK(3 * flips.at_the_place >= flips.tried);
}

TEST_CASE("one flipped nibble is found, and where") {
  const Floats x = gaussian(16384, 11);
  for (const int mask : {0x01, 0x0F, 0x10, 0xF0}) {
    INFO("mask " << mask);
    const auto bits = static_cast<std::uint8_t>(mask);
    for (const GgmlFormatInfo& info : kGgmlFormats) {
      INFO(info.gguf_name);
      check_flips(flip_nibbles(quantised(info.format, x), 5, 997, bits));
    }
    check_flips(flip_nibbles(as_fp8(Fp8Format::e4m3, x), 5, 997, bits));
    check_flips(flip_nibbles(as_fp8(Fp8Format::e5m2, x), 5, 997, bits));
    const Flips nf4 = flip_nibbles(as_nf4(x), 5, 397, bits);
    check_flips(nf4);
    CHECK(nf4.at_the_place == nf4.tried);
  }
}

namespace {

/// Where a K block keeps the scales of its groups, in front of or behind its codes.
struct ScaleBytes {
  GgmlFormat format;
  std::size_t begin, end;
};
constexpr ScaleBytes kScaleBytes[] = {{GgmlFormat::q2_k, 0, 16},
                                      {GgmlFormat::q3_k, 96, 108},
                                      {GgmlFormat::q4_k, 4, 16},
                                      {GgmlFormat::q5_k, 4, 16},
                                      {GgmlFormat::q6_k, 192, 208}};

}  // namespace

TEST_CASE("a nibble of a scale is found by a thorough check, and mostly by the quick one") {
  for (const ScaleBytes& scales : kScaleBytes) {
    const auto& info = ggml_info(scales.format);
    INFO(info.gguf_name);
    Model m = quantised(scales.format, gaussian(16384, 12));
    CHECK(wants_thorough_check(m.other.type));
    REQUIRE(judged(m, true).findings.empty());
    CHECK(judged(m, true).codes.requantised == 16384 / 256);
    const Floats healthy = m.read();
    std::size_t tried = 0, quick = 0;
    for (std::size_t k = 0; k < scales.end - scales.begin; ++k) {
      const std::size_t block = 7 + 3 * k, at = block * info.block_bytes + scales.begin + k;
      for (const std::uint8_t mask : {0x01, 0x10, 0x0F, 0xF0}) {
        m.stored[at] ^= mask;
        if (m.read() != healthy) {
          ++tried;
          const DiffRow row = judged(m, true);
          REQUIRE(row.has(DiffFindingKind::wrong_code));
          CHECK(row.codes.worst_differing->block == block);
          quick += !judged(m).findings.empty();
        }
        m.stored[at] ^= mask;
      }
    }
    CHECK(tried >= 20);
    CHECK(10 * quick >= 7 * tried);
  }
}

}  // namespace refute::instruments
