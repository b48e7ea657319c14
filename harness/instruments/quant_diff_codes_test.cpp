// Healthy blocks raise no alarm, whatever is in them; one nibble of them flipped does.

#include "harness/instruments/quant_diff_codes.hpp"

#include <algorithm>
#include <array>
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

namespace {

/// Q4_0 with a scale of one's own for each block: `scale_of(block)`. Codes are nearest before the
/// scale is rounded to binary16, and refitted scales are least squares of the codes.
template <class ScaleOf>
Model searched_q4_0(Floats x, ScaleOf scale_of, bool refit) {
  Model m = quantised(GgmlFormat::q4_0, std::move(x));
  for (std::size_t b = 0; b < m.x.size() / 32; ++b) {
    const auto block = std::span(m.x).subspan(b * 32, 32);
    std::uint8_t* out = &m.stored[b * 18];
    float d = scale_of(block), qx = 0, qq = 0;
    std::array<int, 32> codes;
    for (std::size_t i = 0; i < 32; ++i) {
      codes[i] = std::clamp(static_cast<int>(std::lround(block[i] / d)), -8, 7);
      qx += static_cast<float>(codes[i]) * block[i];
      qq += static_cast<float>(codes[i] * codes[i]);
    }
    if (refit) d = qx / qq;
    REQUIRE(cpu_scalar::ggml_quantize(GgmlFormat::f16, std::span(&d, 1), {out, 2}).status ==
            GgmlStatus::ok);
    for (std::size_t i = 0; i < 16; ++i)
      out[2 + i] = static_cast<std::uint8_t>((codes[i] + 8) | (codes[16 + i] + 8) << 4);
  }
  return m;
}

float peak_of(std::span<const float> block) {
  float peak = 0;
  for (const float v : block) peak = std::max(peak, std::fabs(v));
  return peak;
}

Model by_sevenths(Floats x) {
  return searched_q4_0(
      std::move(x), [](auto block) { return peak_of(block) / 7; }, false);
}

/// Now narrow and clipping, now wide, as a search that follows importances leaves them.
Model refitted(Floats x) {
  return searched_q4_0(
      std::move(x),
      [n = 0](auto block) mutable {
        return peak_of(block) / (7 + 0.25f * static_cast<float>(n++ % 9));
      },
      true);
}

bool notes_say(const DiffRow& row, std::string_view text) {
  return std::ranges::any_of(
      row.notes, [&](const std::string& note) { return note.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("scales that another quantiser searched for are a note") {
  for (const auto& make : {by_sevenths, refitted}) {
    const Model m = make(gaussian(16384, 21));
    const DiffRow row = judged(m);
    INFO((row.findings.empty() ? "" : row.findings[0].message));
    CHECK(row.findings.empty());
    CHECK(row.band_verdict == BandVerdict::inside);
    CHECK(row.codes.over_by_choice > 50);
    CHECK(notes_say(row, "other quantiser: the scales of 51"));
  }
  CHECK(judged(refitted(gaussian(16384, 22))).codes.refitted > 50);
}

TEST_CASE("a wrong nibble is found among scales that were searched for") {
  for (const auto& make : {by_sevenths, refitted}) {
    for (const int mask : {0x01, 0x0F, 0x80, 0xF0}) {
      INFO("mask " << mask);
      Flips flips;
      for (std::size_t first = 2; first < 18; first += 5) {  // codes only: 18 bytes a block
        const Flips some = flip_nibbles(make(gaussian(16384, 23)), first, 18 * 13,
                                        static_cast<std::uint8_t>(mask));
        flips.found += some.found;
        flips.at_the_place += some.at_the_place;
        flips.tried += some.tried;
      }
      CHECK(flips.tried > 150);
      // Neighbouring codes of a value that lies midway can change places under a refitted scale.
      CHECK(flips.found * (mask == 0x01 ? 8 : 50) >= flips.tried * (mask == 0x01 ? 7 : 49));
    }
  }
}

TEST_CASE("a scale that its codes were not chosen under is found among searched ones") {
  for (const float factor : {2.0f, 0.5f, -1.0f}) {
    INFO(factor);
    Model m = by_sevenths(gaussian(16384, 25));
    float d = 0;
    (void)cpu_scalar::ggml_dequantize(GgmlFormat::f16, {&m.stored[77 * 18], 2}, {&d, 1});
    d *= factor;
    (void)cpu_scalar::ggml_quantize(GgmlFormat::f16, {&d, 1}, {&m.stored[77 * 18], 2});
    const DiffRow row = judged(m);
    REQUIRE_FALSE(row.findings.empty());
    CHECK(row.findings[0].message.find("block 77,") != std::string::npos);
  }
  // All of them at once: codes that one scale explains, but every value is louder.
  Model loud = searched_q4_0(
      gaussian(16384, 26), [](auto block) { return peak_of(block) / 7; }, false);
  for (std::size_t b = 0; b < loud.stored.size() / 18; ++b) {
    float d = 0;
    (void)cpu_scalar::ggml_dequantize(GgmlFormat::f16, {&loud.stored[b * 18], 2}, {&d, 1});
    d *= 1.02f;
    (void)cpu_scalar::ggml_quantize(GgmlFormat::f16, {&d, 1}, {&loud.stored[b * 18], 2});
  }
  CHECK(judged(loud).has(DiffFindingKind::over_bound));
}

TEST_CASE("scales of another quantiser are a note for heavy tails too, and loud ones are not") {
  Floats x = gaussian(16384, 28);
  const Floats other = gaussian(16384, 29);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= 0.2f + std::fabs(other[i]);
  const DiffRow reference = judged(quantised(GgmlFormat::q4_0, x));
  CHECK(reference.findings.empty());
  CHECK(reference.band_verdict == BandVerdict::above);
  for (const auto& make : {by_sevenths, refitted}) {
    const DiffRow row = judged(make(x));
    INFO((row.findings.empty() ? "" : row.findings[0].message));
    CHECK(row.findings.empty());
    CHECK(notes_say(row, "other quantiser"));
    for (const float factor : {1.04f, 0.96f}) {
      Model loud = make(x);
      for (std::size_t b = 0; b < loud.stored.size() / 18; ++b) {
        float d = 0;
        (void)cpu_scalar::ggml_dequantize(GgmlFormat::f16, {&loud.stored[b * 18], 2}, {&d, 1});
        d *= factor;
        (void)cpu_scalar::ggml_quantize(GgmlFormat::f16, {&d, 1}, {&loud.stored[b * 18], 2});
      }
      CHECK_FALSE(judged(loud).findings.empty());
    }
  }
}

TEST_CASE("either side of a tie is right") {
  Floats x(4096);
  for (std::size_t i = 0; i < x.size(); ++i)  // scale 1/2 in each block, and values in quarters
    x[i] = i % 32 == 0 ? 63.5f : 0.25f * static_cast<float>(static_cast<int>(i * 37 % 401) - 200);
  Model m = quantised(GgmlFormat::q8_0, x);
  const Floats y = m.read();
  std::size_t ties = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t block = 20 * i + 3;
    for (std::size_t j = 1; j < 32; ++j) {
      const float v = x[block * 32 + j];
      if (v * 2 == std::floor(v * 2)) continue;
      auto& code = m.stored[block * 34 + 2 + j];
      code = static_cast<std::uint8_t>(code + (y[block * 32 + j] > v ? -1 : 1));
      ++ties;
      break;
    }
  }
  REQUIRE(ties == 3);
  CHECK(judged(m).findings.empty());
  m.stored[9 * 34 + 2 + 7] ^= 2;
  const DiffRow row = judged(m);
  REQUIRE(row.has(DiffFindingKind::wrong_code));
  CHECK(row.findings[0].message.find("block 9, element 7") != std::string::npos);
}

TEST_CASE("values of one size are as near as powers of two allow, and a wrong scale is not") {
  for (const float size : {0.02f, 0.03f, 0.0156f, 0.99f}) {
    INFO(size);
    Floats x = gaussian(4096, 27);
    for (float& v : x) v = std::copysign(size, v);
    Model m = quantised(GgmlFormat::mxfp4, x);
    const DiffRow row = judged(m);
    INFO((row.findings.empty() ? "" : row.findings[0].message));
    CHECK(row.findings.empty());
    const bool off = std::fabs(row.norm_ratio.value() - 1) > row.band->high;
    CHECK(notes_say(row, "powers of two") == off);
    for (const int exponents : {-1, 1, 2}) {
      INFO(exponents);
      Model wrong = quantised(GgmlFormat::mxfp4, x);
      for (std::size_t b = 0; b < wrong.stored.size(); b += 17)
        wrong.stored[b] = static_cast<std::uint8_t>(wrong.stored[b] + exponents);
      CHECK_FALSE(judged(wrong).findings.empty());
    }
  }
}

}  // namespace refute::instruments
