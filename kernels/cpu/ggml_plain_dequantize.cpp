#include "kernels/cpu/ggml_plain.hpp"

namespace refute::kernels::ggml_detail {
namespace {

/// The five-bit codes of Q5_0 and Q5_1: four bits in nibbles, the fifth bits in one word.
std::array<std::uint8_t, kBlock> five_bit_codes(const std::uint8_t* high, const std::uint8_t* low) {
  std::array<std::uint8_t, kBlock> codes;
  unpack_nibbles(low, codes.data());
  const std::uint32_t bits = load_u32(high);
  for (std::size_t j = 0; j < kBlock; ++j) codes[j] |= (bits >> j & 1u) << 4;
  return codes;
}

template <int kHalf>
void centred_values(const std::uint8_t* codes, float scale, float* x) {
  for (std::size_t j = 0; j < kBlock; ++j) x[j] = static_cast<float>(codes[j] - kHalf) * scale;
}

void affine_values(const std::uint8_t* codes, float scale, float least, float* x) {
  for (std::size_t j = 0; j < kBlock; ++j) x[j] = static_cast<float>(codes[j]) * scale + least;
}

void codebook_values(const std::uint8_t* nibbles, const std::array<std::int8_t, 16>& values,
                     float scale, float* x) {
  std::array<std::uint8_t, kBlock> codes;
  unpack_nibbles(nibbles, codes.data());
  for (std::size_t j = 0; j < kBlock; ++j) x[j] = static_cast<float>(values[codes[j]]) * scale;
}

}  // namespace

void dequantize_q4_0(const std::uint8_t* y, float* x) {
  std::array<std::uint8_t, kBlock> codes;
  unpack_nibbles(y + 2, codes.data());
  centred_values<8>(codes.data(), load_half(y), x);
}

void dequantize_q4_1(const std::uint8_t* y, float* x) {
  std::array<std::uint8_t, kBlock> codes;
  unpack_nibbles(y + 4, codes.data());
  affine_values(codes.data(), load_half(y), load_half(y + 2), x);
}

void dequantize_q5_0(const std::uint8_t* y, float* x) {
  centred_values<16>(five_bit_codes(y + 2, y + 6).data(), load_half(y), x);
}

void dequantize_q5_1(const std::uint8_t* y, float* x) {
  affine_values(five_bit_codes(y + 4, y + 8).data(), load_half(y), load_half(y + 2), x);
}

void dequantize_q8_0(const std::uint8_t* y, float* x) {
  const float scale = load_half(y);
  for (std::size_t j = 0; j < kBlock; ++j) {
    x[j] = static_cast<float>(static_cast<std::int8_t>(y[2 + j])) * scale;
  }
}

void dequantize_iq4_nl(const std::uint8_t* y, float* x) {
  codebook_values(y + 2, kIq4NlValues, load_half(y), x);
}

void dequantize_mxfp4(const std::uint8_t* y, float* x) {
  codebook_values(y + 1, kMxfp4Values, e8m0_half(y[0]), x);
}

}  // namespace refute::kernels::ggml_detail
