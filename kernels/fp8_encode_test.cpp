// cpu_scalar and cpu_simd, on every instruction set that this CPU runs, against the exact oracle.

#include <algorithm>
#include <bit>
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

std::vector<Fp8Mode> all_modes() {
  std::vector<Fp8Mode> modes;
  for (const auto format : {Fp8Format::e4m3, Fp8Format::e5m2}) {
    for (const auto rounding : {Fp8Rounding::ties_even, Fp8Rounding::ties_lower}) {
      for (const auto overflow : {Fp8Overflow::satfinite, Fp8Overflow::nonsat}) {
        modes.push_back({format, rounding, overflow});
      }
    }
  }
  return modes;
}

oracles::Fp8 format_of(Fp8Mode mode) {
  return mode.format == Fp8Format::e4m3 ? oracles::Fp8::e4m3 : oracles::Fp8::e5m2;
}

std::uint8_t expected(std::uint32_t f32_bits, Fp8Mode mode) {
  return oracles::fp8_encode_bits(
      f32_bits, format_of(mode),
      mode.rounding == Fp8Rounding::ties_even ? oracles::Ties::even : oracles::Ties::lower,
      mode.overflow == Fp8Overflow::satfinite ? oracles::Overflow::satfinite
                                              : oracles::Overflow::nonsat);
}

struct Backend {
  std::string name;
  decltype(&cpu_scalar::fp8_encode) encode;
  decltype(&cpu_scalar::fp8_encode_f16) encode_f16, encode_bf16;
  decltype(&cpu_scalar::fp8_decode) decode;
};

/// Runs body for the scalar kernels and once for each instruction set.
template <class Body>
void for_each_backend(Body body) {
  body(Backend{"cpu_scalar", cpu_scalar::fp8_encode, cpu_scalar::fp8_encode_f16,
               cpu_scalar::fp8_encode_bf16, cpu_scalar::fp8_decode});
  for_each_simd_target([&](const std::string& name) {
    body(Backend{name, cpu_simd::fp8_encode, cpu_simd::fp8_encode_f16, cpu_simd::fp8_encode_bf16,
                 cpu_simd::fp8_decode});
  });
}

/// Hands out patterns in order and compares every code; a failure names the first pattern that
/// differs.
void check_codes(const Backend& backend, const std::vector<float>& in, Fp8Mode mode) {
  std::vector<std::uint8_t> out(in.size(), 0xAA);
  backend.encode(in, out, mode);
  std::size_t wrong = in.size();
  for (std::size_t i = in.size(); i-- > 0;) {
    if (out[i] != expected(std::bit_cast<std::uint32_t>(in[i]), mode)) wrong = i;
  }
  INFO(backend.name << " differs at element " << wrong);
  CHECK(wrong == in.size());
}

/// Each bound between two codes, its neighbours on both sides, and the special patterns.
std::vector<float> hard_cases(Fp8Mode mode) {
  std::vector<float> in;
  const auto ties =
      mode.rounding == Fp8Rounding::ties_even ? oracles::Ties::even : oracles::Ties::lower;
  for (const auto& run :
       oracles::fp8_encode_runs(format_of(mode), ties, oracles::Overflow::nonsat)) {
    for (std::uint32_t step = 0; step < 3; ++step) {
      in.push_back(std::bit_cast<float>(run.first + step));
      in.push_back(std::bit_cast<float>(run.last - step));
    }
  }
  for (const std::uint32_t bits :
       {0x00000001u, 0x007FFFFFu, 0x00800000u, 0x7F7FFFFFu, 0x7F800000u, 0x7F800001u, 0x7FBFFFFFu,
        0x7FC00000u, 0x7FFFFFFFu, 0x43DFFFFFu, 0x43E00000u, 0x43E80000u, 0x43E80001u, 0x47600000u,
        0x476FFFFFu, 0x47700000u}) {
    in.push_back(std::bit_cast<float>(bits));
    in.push_back(std::bit_cast<float>(bits | 0x80000000u));
  }
  return in;
}

}  // namespace

TEST_CASE("fp8 codes are right at and around every bound, in every mode") {
  for_each_backend([](const Backend& backend) {
    for (const Fp8Mode mode : all_modes()) check_codes(backend, hard_cases(mode), mode);
  });
}

TEST_CASE("fp8 codes of all f16 and all bf16 values are the oracle's, byte for byte") {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  for (const Fp8Mode mode : all_modes()) {
    std::vector<std::uint8_t> of_f16, of_bf16;
    for (const std::uint16_t x : all) {
      of_f16.push_back(expected(oracles::f16_to_f32_bits(x), mode));
      of_bf16.push_back(expected(oracles::bf16_to_f32_bits(x), mode));
    }
    for_each_backend([&](const Backend& backend) {
      INFO(backend.name);
      std::vector<std::uint8_t> out(all.size());
      backend.encode_f16(all, out, mode);
      CHECK(out == of_f16);
      backend.encode_bf16(all, out, mode);
      CHECK(out == of_bf16);
    });
  }
}

TEST_CASE("fp8 codes of random f32 patterns are the oracle's") {
  std::mt19937 random(7);
  std::vector<float> in(1 << 14);
  for (float& x : in) x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  // Half of them where the codes are: exponents 2^-20 … 2^20.
  for (std::size_t i = 0; i < in.size(); i += 2) {
    const std::uint32_t exponent = 107 + random() % 40;
    in[i] =
        std::bit_cast<float>((static_cast<std::uint32_t>(random()) & 0x807FFFFFu) | exponent << 23);
  }
  for_each_backend([&](const Backend& backend) {
    for (const Fp8Mode mode : all_modes()) check_codes(backend, in, mode);
  });
}

TEST_CASE("all 256 codes decode to the oracle's bits") {
  std::vector<std::uint8_t> codes(256);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
  for (const auto format : {Fp8Format::e4m3, Fp8Format::e5m2}) {
    for_each_backend([&](const Backend& backend) {
      std::vector<float> out(codes.size());
      backend.decode(codes, out, format);
      for (const std::uint8_t code : codes) {
        INFO(backend.name << " code " << int{code});
        CHECK(std::bit_cast<std::uint32_t>(out[code]) ==
              oracles::fp8_decode_bits(code, format_of({format})));
      }
    });
  }
}

TEST_CASE(
    "lengths that do not fill a vector, at every alignment, write their own bytes and no other") {
  std::mt19937 random(3);
  std::vector<float> in(160);
  for (float& x : in) x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  for_each_backend([&](const Backend& backend) {
    for (std::size_t length = 0; length <= 67; ++length) {
      const std::size_t start = length % 5;
      std::vector<std::uint8_t> out(length + 80, 0xA5);
      const auto target = std::span(out).subspan(1 + start, length);
      backend.encode(std::span(in).subspan(start, length), target, {});
      bool right = true;
      for (std::size_t i = 0; i < length; ++i) {
        right = right && target[i] == expected(std::bit_cast<std::uint32_t>(in[start + i]), {});
      }
      const auto untouched =
          std::count(out.begin(), out.end(), 0xA5) - std::count(target.begin(), target.end(), 0xA5);
      INFO(backend.name << " length " << length);
      CHECK(right);
      CHECK(untouched == 80);
    }
  });
}
