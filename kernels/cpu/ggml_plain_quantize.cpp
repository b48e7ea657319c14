// The formats of 32 values and one scale: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, MXFP4.

#include <algorithm>
#include <cmath>

#include "kernels/cpu/ggml_plain.hpp"

namespace refute::kernels::ggml_detail {
namespace {

using Codes = std::array<std::uint8_t, kBlock>;

/// The first value of largest magnitude, with its sign; +0 for a block of zeros.
float signed_peak(const float* x) {
  float peak = 0.0f;
  for (std::size_t j = 0; j < kBlock; ++j) {
    if (std::fabs(x[j]) > std::fabs(peak)) peak = x[j];
  }
  return peak;
}

/// x ≈ scale·(code − half), the peak at code 0. The scale is negative for a positive peak.
template <int kHalf>
Codes centred_codes(const float* x, float& scale) {
  scale = signed_peak(x) / -kHalf;
  const float inverse = inverse_or_zero(scale);
  Codes codes;
  for (std::size_t j = 0; j < kBlock; ++j) {
    const auto code = static_cast<std::uint8_t>(truncate_to_int(x[j] * inverse + (kHalf + 0.5f)));
    codes[j] = std::min<std::uint8_t>(code, 2 * kHalf - 1);
  }
  return codes;
}

/// x ≈ scale·code + least, with codes 0 … kTop between the least and the largest value.
template <int kTop>
Codes affine_codes(const float* x, float& scale, float& least) {
  const auto [lowest, highest] = std::minmax_element(x, x + kBlock);
  least = *lowest;
  // minmax_element gives the last of equal maxima; which zero it is would show in the sign of 0 −
  // 0.
  const float most = *highest == 0.0f && least == 0.0f ? least : *highest;
  scale = (most - least) / kTop;
  const float inverse = inverse_or_zero(scale);
  Codes codes;
  for (std::size_t j = 0; j < kBlock; ++j) {
    const auto code = static_cast<std::uint8_t>(truncate_to_int((x[j] - least) * inverse + 0.5f));
    codes[j] = std::min<std::uint8_t>(code, kTop);
  }
  return codes;
}

void store_fifth_bits(const Codes& codes, std::uint8_t* out) {
  std::uint32_t high = 0;
  for (std::size_t j = 0; j < kBlock; ++j) high |= (codes[j] >> 4 & 1u) << j;
  store_u32(out, high);
}

/// The position of v, in codebook units, among IQ4_NL's values: a tie goes to the upper one.
std::uint8_t nearest_iq4_nl(float v) {
  std::uint8_t code = 0;
  for (std::size_t i = 0; i + 1 < kIq4NlValues.size(); ++i) {
    code += v >= 0.5f * static_cast<float>(kIq4NlValues[i] + kIq4NlValues[i + 1]);
  }
  return code;
}

/// The code of least |x − value·d|, the lowest of equals. Distances are f32: where value·d
/// overflows the next smaller magnitude wins, even for an x that lies nearer to the unrounded one.
std::uint8_t nearest_mxfp4(float x, float d) {
  std::uint8_t best = 0;
  float least = std::fabs(x);
  for (std::uint8_t code = 1; code < kMxfp4Values.size(); ++code) {
    const float distance = std::fabs(static_cast<float>(kMxfp4Values[code]) * d - x);
    if (distance < least) {
      least = distance;
      best = code;
    }
  }
  return best;
}

}  // namespace

void quantize_q4_0(const float* x, std::uint8_t* y) {
  float scale;
  const Codes codes = centred_codes<8>(x, scale);
  store_half(y, scale);
  pack_nibbles(codes.data(), y + 2);
}

void quantize_q4_1(const float* x, std::uint8_t* y) {
  float scale, least;
  const Codes codes = affine_codes<15>(x, scale, least);
  store_half(y, scale);
  store_half(y + 2, least);
  pack_nibbles(codes.data(), y + 4);
}

void quantize_q5_0(const float* x, std::uint8_t* y) {
  float scale;
  const Codes codes = centred_codes<16>(x, scale);
  store_half(y, scale);
  store_fifth_bits(codes, y + 2);
  pack_nibbles(codes.data(), y + 6);
}

void quantize_q5_1(const float* x, std::uint8_t* y) {
  float scale, least;
  const Codes codes = affine_codes<31>(x, scale, least);
  store_half(y, scale);
  store_half(y + 2, least);
  store_fifth_bits(codes, y + 4);
  pack_nibbles(codes.data(), y + 8);
}

void quantize_q8_0(const float* x, std::uint8_t* y) {
  const float scale = std::fabs(signed_peak(x)) / 127.0f;
  const float inverse = inverse_or_zero(scale);
  store_half(y, scale);
  for (std::size_t j = 0; j < kBlock; ++j) {
    // Ties away from zero, unlike everything else here.
    y[2 + j] = static_cast<std::uint8_t>(truncate_to_int(std::round(x[j] * inverse)));
  }
}

/// Codes from the scale that puts the peak at −127; then the scale that fits these codes best, with
/// weights x². The codes are not chosen again.
void quantize_iq4_nl(const float* x, std::uint8_t* y, const std::uint8_t* before) {
  const float peak = signed_peak(x);
  if (std::fabs(peak) < kZeroGroup) return store_iq4_nl_zeros(y, before);
  const float inverse = 1.0f / (peak / static_cast<float>(kIq4NlValues[0]));
  float sum_qx = 0.0f, sum_qq = 0.0f;
  Codes codes;
  for (std::size_t j = 0; j < kBlock; ++j) {
    codes[j] = nearest_iq4_nl(inverse * x[j]);
    const float q = kIq4NlValues[codes[j]];
    const float weight = x[j] * x[j];
    sum_qx += weight * q * x[j];
    sum_qq += weight * q * q;
  }
  store_half(y, sum_qq > 0.0f ? sum_qx / sum_qq : 0.0f);
  pack_nibbles(codes.data(), y + 2);
}

void quantize_iq4_nl_blocks(const float* x, std::uint8_t* y, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, x += kBlock, y += kIq4NlBytes) {
    quantize_iq4_nl(x, y, b == 0 ? nullptr : y - kIq4NlBytes);
  }
}

void store_iq4_nl_zeros(std::uint8_t* y, const std::uint8_t* before) {
  store_u16(y, 0);
  if (before == nullptr) {
    std::fill_n(y + 2, kIq4NlBytes - 2, std::uint8_t{0});
  } else {
    std::copy_n(before + 2, kIq4NlBytes - 2, y + 2);
  }
}

/// The exponent puts the largest magnitude into [4, 8) of E2M1's units, so values above 6 clip.
/// Below 2^-125 the exponent wraps round a byte and the block reads as zeros; ggml leaves that
/// undefined and this is what its x86 build does.
void quantize_mxfp4(const float* x, std::uint8_t* y) {
  const float peak = std::fabs(signed_peak(x));
  y[0] = peak > 0.0f ? static_cast<std::uint8_t>(floor_of_rounded_log2(peak) - 2 + 127) : 0;
  const float d = e8m0_half(y[0]);
  Codes codes;
  for (std::size_t j = 0; j < kBlock; ++j) codes[j] = nearest_mxfp4(x[j], d);
  pack_nibbles(codes.data(), y + 1);
}

}  // namespace refute::kernels::ggml_detail
