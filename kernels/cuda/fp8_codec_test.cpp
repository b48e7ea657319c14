// The device's codec, compiled for the host, against the exact oracle; and how warps share a
// tensor.

#include "kernels/cuda/fp8_codec.hpp"

#include <bit>
#include <cmath>
#include <vector>

#include "fixtures/oracles/fp8_oracle.hpp"
#include "harness/catch.hpp"
#include "kernels/cuda/fp8_groups.hpp"

using namespace refute;
using namespace refute::kernels;
using namespace refute::kernels::cuda;

namespace {

constexpr auto kE4m3 = Fp8Format::e4m3, kE5m2 = Fp8Format::e5m2;
constexpr auto kEven = Fp8Rounding::ties_even, kLower = Fp8Rounding::ties_lower;
constexpr auto kSaturate = Fp8Overflow::satfinite, kOverflow = Fp8Overflow::nonsat;

template <Fp8Mode kMode>
std::uint8_t oracle_code(std::uint32_t bits) {
  return oracles::fp8_encode_bits(
      bits, kMode.format == kE4m3 ? oracles::Fp8::e4m3 : oracles::Fp8::e5m2,
      kMode.rounding == kEven ? oracles::Ties::even : oracles::Ties::lower,
      kMode.overflow == kSaturate ? oracles::Overflow::satfinite : oracles::Overflow::nonsat);
}

/// Every 16-bit pattern as bf16 and as f16, and each bound between two codes with its neighbours.
template <Fp8Mode kMode>
std::size_t wrong_codes() {
  std::vector<std::uint32_t> patterns;
  for (std::uint32_t half = 0; half < 65536; ++half) {
    patterns.push_back(half << 16);
    patterns.push_back(oracles::f16_to_f32_bits(static_cast<std::uint16_t>(half)));
  }
  const auto runs = oracles::fp8_encode_runs(
      kMode.format == kE4m3 ? oracles::Fp8::e4m3 : oracles::Fp8::e5m2,
      kMode.rounding == kEven ? oracles::Ties::even : oracles::Ties::lower,
      kMode.overflow == kSaturate ? oracles::Overflow::satfinite : oracles::Overflow::nonsat);
  for (const auto& run : runs) {
    for (const std::uint32_t p : {run.first - 1, run.first, run.last, run.last + 1})
      patterns.push_back(p);
  }
  std::size_t wrong = 0;
  for (const std::uint32_t p : patterns) wrong += fp8_code<kMode>(p) != oracle_code<kMode>(p);
  return wrong;
}

template <Fp8Format kFormat>
std::size_t wrong_values() {
  std::size_t wrong = 0;
  for (int code = 0; code < 256; ++code) {
    const auto c = static_cast<std::uint8_t>(code);
    const std::uint32_t want =
        oracles::fp8_decode_bits(c, kFormat == kE4m3 ? oracles::Fp8::e4m3 : oracles::Fp8::e5m2);
    const std::uint32_t got = float_bits(fp8_value<kFormat>(c));
    const bool nan = (want & 0x7FFFFFFFu) > 0x7F800000u;
    wrong += nan ? (got >> 31 != want >> 31 || !std::isnan(bits_float(got))) : got != want;
  }
  return wrong;
}

}  // namespace

TEST_CASE("the device's encoder gives the oracle's code in every mode") {
  CHECK(wrong_codes<Fp8Mode{kE4m3, kEven, kSaturate}>() == 0);
  CHECK(wrong_codes<Fp8Mode{kE4m3, kEven, kOverflow}>() == 0);
  CHECK(wrong_codes<Fp8Mode{kE4m3, kLower, kSaturate}>() == 0);
  CHECK(wrong_codes<Fp8Mode{kE4m3, kLower, kOverflow}>() == 0);
  CHECK(wrong_codes<Fp8Mode{kE5m2, kEven, kSaturate}>() == 0);
  CHECK(wrong_codes<Fp8Mode{kE5m2, kEven, kOverflow}>() == 0);
  CHECK(wrong_codes<Fp8Mode{kE5m2, kLower, kSaturate}>() == 0);
  CHECK(wrong_codes<Fp8Mode{kE5m2, kLower, kOverflow}>() == 0);
}

TEST_CASE("the device's decoder gives the oracle's value") {
  CHECK(wrong_values<kE4m3>() == 0);
  CHECK(wrong_values<kE5m2>() == 0);
}

TEST_CASE("every f16 pattern widens to its value, and a NaN stays one") {
  std::size_t wrong = 0;
  for (std::uint32_t half = 0; half < 65536; ++half) {
    const std::uint32_t want = oracles::f16_to_f32_bits(static_cast<std::uint16_t>(half));
    const std::uint32_t got = widened_f16(static_cast<std::uint16_t>(half));
    const bool nan = (want & 0x7FFFFFFFu) > 0x7F800000u;
    wrong += nan ? !std::isnan(bits_float(got)) : got != want;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a scale is absmax over the largest value, 1 for zeros and never subnormal") {
  CHECK(fp8_scale(0, kE4m3) == 1.0f);
  CHECK(fp8_scale(float_bits(448.0f), kE4m3) == 1.0f);
  CHECK(fp8_scale(float_bits(3.0f), kE5m2) == 3.0f / 57344.0f);
  CHECK(fp8_scale(1, kE4m3) == 0x1p-126f);
}

TEST_CASE("segments cover each value once and never cross a group") {
  struct Shape {
    std::size_t groups, length;
  };
  for (const auto [groups, length] : {Shape{1, 1}, Shape{1, kFp8Segment}, Shape{1, kFp8Segment + 1},
                                      Shape{5, 27}, Shape{3, 2 * kFp8Segment - 1}, Shape{7, 128}}) {
    const Fp8Split split = Fp8Split::of(groups, length);
    std::vector<int> taken(groups * length, 0);
    for (std::size_t warp = 0; warp < split.warps(); ++warp) {
      const Fp8Segment s = split.segment(warp);
      REQUIRE(s.begin < s.end);
      REQUIRE(s.end - s.begin <= kFp8Segment);
      CHECK(s.begin / length == s.group);
      CHECK((s.end - 1) / length == s.group);
      for (std::size_t i = s.begin; i < s.end; ++i) ++taken[i];
    }
    CHECK(taken == std::vector<int>(taken.size(), 1));
  }
}

TEST_CASE("segments that are read in fours begin at multiples of four") {
  for (const std::size_t length : {4u, 36u, 2052u, 27u, 2049u}) {
    const Fp8Split split = Fp8Split::of(3, length);
    CHECK(split.in_fours() == (length % 4 == 0));
    for (std::size_t warp = 0; split.in_fours() && warp < split.warps(); ++warp)
      CHECK(split.segment(warp).begin % 4 == 0);
  }
  CHECK(Fp8Split::of(1, 27).in_fours());
}
