#include "kernels/cpu/ggml_k.hpp"

namespace refute::kernels::ggml_detail {
namespace {

unsigned pair_at(const std::uint8_t* codes, std::size_t i) {
  return codes[32 * (i / 128) + i % 32] >> (2 * (i / 32 % 4)) & 3u;
}

unsigned nibble_at(const std::uint8_t* codes, std::size_t i) {
  return codes[32 * (i / 64) + i % 32] >> (4 * (i / 32 % 2)) & 15u;
}

unsigned high_bit_at(const std::uint8_t* high, std::size_t i) {
  return high[i % 32] >> (i / 32) & 1u;
}

}  // namespace

void dequantize_q2_k(const std::uint8_t* y, float* x) {
  const float d = load_half(y + Q2k::d), dmin = load_half(y + Q2k::dmin);
  for (std::size_t i = 0; i < kSuper; ++i) {
    const std::uint8_t scales = y[Q2k::scales + i / 16];
    const float scale = d * static_cast<float>(scales & 15);
    const float least = dmin * static_cast<float>(scales >> 4);
    x[i] = scale * static_cast<float>(pair_at(y + Q2k::codes, i)) - least;
  }
}

void dequantize_q3_k(const std::uint8_t* y, float* x) {
  const float d = load_half(y + Q3k::d);
  const auto scales = unpack_q3_scales(y + Q3k::scales);
  for (std::size_t i = 0; i < kSuper; ++i) {
    const unsigned code = pair_at(y + Q3k::codes, i) | high_bit_at(y + Q3k::high, i) << 2;
    x[i] = d * static_cast<float>(scales[i / 16]) * (static_cast<float>(code) - 4.0f);
  }
}

void dequantize_q4_k(const std::uint8_t* y, float* x) {
  const float d = load_half(y + Q4k::d), dmin = load_half(y + Q4k::dmin);
  const ScaleMins s = unpack_scale_mins(y + Q4k::scales);
  for (std::size_t i = 0; i < kSuper; ++i) {
    const float scale = d * s.scale[i / 32], least = dmin * s.least[i / 32];
    x[i] = scale * static_cast<float>(nibble_at(y + Q4k::codes, i)) - least;
  }
}

void dequantize_q5_k(const std::uint8_t* y, float* x) {
  const float d = load_half(y + Q5k::d), dmin = load_half(y + Q5k::dmin);
  const ScaleMins s = unpack_scale_mins(y + Q5k::scales);
  for (std::size_t i = 0; i < kSuper; ++i) {
    const unsigned code = nibble_at(y + Q5k::codes, i) | high_bit_at(y + Q5k::high, i) << 4;
    const float scale = d * s.scale[i / 32], least = dmin * s.least[i / 32];
    x[i] = scale * static_cast<float>(code) - least;
  }
}

void dequantize_q6_k(const std::uint8_t* y, float* x) {
  const float d = load_half(y + Q6k::d);
  for (std::size_t i = 0; i < kSuper; ++i) {
    const std::size_t half = i / 128, group = i / 32 % 4, l = i % 32;
    const unsigned low = y[Q6k::low + 64 * half + 32 * (group % 2) + l] >> (4 * (group / 2)) & 15u;
    const unsigned high = y[Q6k::high + 32 * half + l] >> (2 * group) & 3u;
    const auto scale = static_cast<std::int8_t>(y[Q6k::scales + i / 16]);
    x[i] = d * static_cast<float>(scale) * (static_cast<float>(low | high << 4) - 32.0f);
  }
}

}  // namespace refute::kernels::ggml_detail
