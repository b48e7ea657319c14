#include "kernels/cpu/ggml_blocks.hpp"

#include <algorithm>
#include <cmath>

namespace refute::kernels::ggml_detail {

int floor_of_rounded_log2(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  // Only the last 44 floats below a power of two can round up to it.
  if (bits >= 0x00800000u && (bits & 0x007FFFFFu) < 0x007FFF80u) {
    return static_cast<int>(bits >> 23) - 127;
  }
  int k;
  const float fraction = std::frexp(x, &k);  // x = fraction·2^k, fraction in [1/2, 1)
  if (k == 0) return -1;                     // no rounding: floats are dense around 0
  // log2(x) = k − log2(e)·gap·2^-24, and it rounds to k when that is below half the spacing of
  // floats next to k on the side of zero (k > 0) or away from it (k < 0).
  const float gap = (1.0f - fraction) * 0x1p24f;
  const unsigned magnitude = static_cast<unsigned>(std::abs(k)) - (k > 0 ? 1u : 0u);
  const double half_spacing = std::ldexp(1.0, static_cast<int>(std::bit_width(magnitude)) - 1);
  return static_cast<double>(gap) * 1.4426950408889634 < half_spacing ? k : k - 1;
}

ScaleMins unpack_scale_mins(const std::uint8_t* in) {
  ScaleMins s;
  for (std::size_t j = 0; j < 4; ++j) {
    s.scale[j] = in[j] & 63;
    s.least[j] = in[j + 4] & 63;
    s.scale[j + 4] = static_cast<std::uint8_t>((in[j + 8] & 15) | in[j] >> 6 << 4);
    s.least[j + 4] = static_cast<std::uint8_t>(in[j + 8] >> 4 | in[j + 4] >> 6 << 4);
  }
  return s;
}

void pack_scale_mins(const ScaleMins& s, std::uint8_t* out) {
  for (std::size_t j = 0; j < 4; ++j) {
    out[j] = static_cast<std::uint8_t>(s.scale[j] | s.scale[j + 4] >> 4 << 6);
    out[j + 4] = static_cast<std::uint8_t>(s.least[j] | s.least[j + 4] >> 4 << 6);
    out[j + 8] = static_cast<std::uint8_t>((s.scale[j + 4] & 15) | s.least[j + 4] << 4);
  }
}

std::array<std::int8_t, 16> unpack_q3_scales(const std::uint8_t* in) {
  std::array<std::int8_t, 16> s;
  for (std::size_t j = 0; j < 16; ++j) {
    const int low = in[j % 8] >> (4 * (j / 8)) & 15;
    const int high = in[8 + j % 4] >> (2 * (j / 4)) & 3;
    s[j] = static_cast<std::int8_t>((low | high << 4) - 32);
  }
  return s;
}

void pack_q3_scales(const std::array<std::int8_t, 16>& s, std::uint8_t* out) {
  std::fill_n(out, 12, std::uint8_t{0});
  for (std::size_t j = 0; j < 16; ++j) {
    const int code = s[j] + 32;
    out[j % 8] |= static_cast<std::uint8_t>((code & 15) << (4 * (j / 8)));
    out[8 + j % 4] |= static_cast<std::uint8_t>(code >> 4 << (2 * (j / 4)));
  }
}

std::size_t first_non_finite(std::span<const float> x) {
  const auto at = std::ranges::find_if(x, [](float v) { return !std::isfinite(v); });
  return static_cast<std::size_t>(at - x.begin());
}

}  // namespace refute::kernels::ggml_detail
