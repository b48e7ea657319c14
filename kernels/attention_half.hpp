#pragma once

// The two 16-bit formats that attention stores its tensors in, as distinct types, and their
// conversions: exact to float, to nearest with ties to even from float. IEEE 754 binary16, and
// bfloat16, which is the upper half of a binary32.

#include <bit>
#include <cstdint>

namespace refute::kernels {

struct F16 {
  std::uint16_t bits = 0;
  bool operator==(const F16&) const = default;
};

struct Bf16 {
  std::uint16_t bits = 0;
  bool operator==(const Bf16&) const = default;
};

constexpr float to_float(float x) {
  return x;
}

constexpr float to_float(Bf16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

/// Without a branch, so that a loop of it becomes vector code: the exponent and fraction are moved
/// into place and the bias is corrected by an exact product, which also normalises subnormals.
constexpr float to_float(F16 x) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(x.bits & 0x7FFFu) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000u) << 16;
  const float value = std::bit_cast<float>(magnitude) * 0x1p112f;
  const std::uint32_t special = (x.bits & 0x7C00u) == 0x7C00u ? 0x7F800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | special | sign);
}

template <class T>
constexpr T from_float(float x);

template <>
constexpr float from_float<float>(float x) {
  return x;
}

/// Overflow gives infinity; a NaN stays one, with its sign and the top of its payload.
template <>
constexpr Bf16 from_float<Bf16>(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    return {static_cast<std::uint16_t>((bits >> 16) | 0x0040u)};
  }
  const std::uint32_t lowest_kept = (bits >> 16) & 1u;
  return {static_cast<std::uint16_t>((bits + 0x7FFFu + lowest_kept) >> 16)};
}

template <>
constexpr F16 from_float<F16>(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint16_t sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const auto with_sign = [sign](std::uint32_t code) {
    return F16{static_cast<std::uint16_t>(sign | code)};
  };
  if (magnitude > 0x7F800000u) return with_sign(0x7E00u | ((magnitude >> 13) & 0x3FFu));
  if (magnitude >= 0x477FF000u) return with_sign(0x7C00u);  // 65520 and above round to infinity
  if (magnitude < 0x38800000u) {
    // Below 2^-14 the spacing is 2^-24: adding 0.5 puts the sum where a float's spacing is just
    // that, and the addition rounds.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return with_sign(std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u);
  }
  const std::uint32_t lowest_kept = (magnitude >> 13) & 1u;
  return with_sign((magnitude - 0x38000000u + 0xFFFu + lowest_kept) >> 13);
}

/// x rounded to what T can hold.
template <class T>
constexpr float round_to(float x) {
  return to_float(from_float<T>(x));
}

}  // namespace refute::kernels
