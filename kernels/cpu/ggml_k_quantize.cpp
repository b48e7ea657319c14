#include <algorithm>
#include <cmath>

#include "kernels/cpu/ggml_k.hpp"
#include "kernels/cpu/ggml_k_fit.hpp"

namespace refute::kernels::ggml_detail {
namespace {

std::uint8_t byte(std::int32_t v) {
  return static_cast<std::uint8_t>(v);
}

/// Weights of Q4_K and Q5_K: root mean square of the sub-block plus |x|.
void rms_weights(const float* x, float* weights) {
  float sum = 0.0f;
  for (std::size_t i = 0; i < 32; ++i) sum += x[i] * x[i];
  const float rms = std::sqrt(sum / 32.0f);
  for (std::size_t i = 0; i < 32; ++i) weights[i] = rms + std::fabs(x[i]);
}

KFits fit_with_rms_weights(const AffineSearch& search, const float* x) {
  KFits fits;
  float weights[32];
  for (std::size_t s = 0; s < 8; ++s) {
    rms_weights(x + 32 * s, weights);
    const AffineFit fit = fit_affine(search, x + 32 * s, weights, 32, &fits.codes[32 * s]);
    fits.scale[s] = fit.scale;
    fits.offset[s] = fit.offset;
  }
  return fits;
}

/// The largest of the first `count`, 0 when none is positive.
float largest(const std::array<float, 16>& v, std::size_t count) {
  float most = 0.0f;
  for (std::size_t s = 0; s < count; ++s) most = v[s] > most ? v[s] : most;
  return most;
}

/// The first of largest magnitude, with its sign.
float signed_peak(const std::array<float, 16>& v) {
  float peak = 0.0f;
  for (const float s : v) peak = std::fabs(s) > std::fabs(peak) ? s : peak;
  return peak;
}

/// Two-bit codes: byte 32·h + l holds values l, l + 32, l + 64, l + 96 of half h, lowest bits
/// first.
void pack_pairs(const std::uint8_t* codes, std::uint8_t* out) {
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t l = 0; l < 32; ++l) {
      const std::uint8_t* c = codes + 128 * h + l;
      out[32 * h + l] = byte((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
    }
  }
}

/// Four-bit codes: byte 32·p + l holds values 64·p + l and 64·p + l + 32.
void pack_long_nibbles(const std::uint8_t* codes, std::uint8_t* out) {
  for (std::size_t p = 0; p < 4; ++p) {
    for (std::size_t l = 0; l < 32; ++l) {
      out[32 * p + l] = byte((codes[64 * p + l] & 15) | codes[64 * p + l + 32] << 4);
    }
  }
}

/// One bit of every code: bit p of byte l is that of value 32·p + l.
void pack_high_bits(const std::uint8_t* codes, int bit, std::uint8_t* out) {
  std::fill_n(out, 32, std::uint8_t{0});
  for (std::size_t p = 0; p < 8; ++p) {
    for (std::size_t l = 0; l < 32; ++l) out[l] |= byte((codes[32 * p + l] >> bit & 1) << p);
  }
}

/// What Q4_K and Q5_K have in common: header, scales, and codes 0 … top.
void finish_with_scale_mins(const float* x, KFits& fits, int top, ChooseCodes choose,
                            std::uint8_t* y) {
  const float most_scale = largest(fits.scale, 8), most_offset = largest(fits.offset, 8);
  const float inverse_scale = most_scale > 0.0f ? 63.0f / most_scale : 0.0f;
  const float inverse_offset = most_offset > 0.0f ? 63.0f / most_offset : 0.0f;
  ScaleMins s;
  for (std::size_t j = 0; j < 8; ++j) {
    s.scale[j] = std::min<std::uint8_t>(63, byte(nearest_int(inverse_scale * fits.scale[j])));
    s.least[j] = std::min<std::uint8_t>(63, byte(nearest_int(inverse_offset * fits.offset[j])));
  }
  store_half(y + Q4k::d, most_scale / 63.0f);
  store_half(y + Q4k::dmin, most_offset / 63.0f);
  pack_scale_mins(s, y + Q4k::scales);
  const float d = load_half(y + Q4k::d), dmin = load_half(y + Q4k::dmin);
  for (std::size_t j = 0; j < 8; ++j) {
    choose(x + 32 * j, 32, d * s.scale[j], dmin * s.least[j], 0, top, &fits.codes[32 * j]);
  }
}

}  // namespace

void choose_codes(const float* x, std::size_t count, float scale, float offset, int zero, int top,
                  std::uint8_t* codes) {
  if (scale == 0.0f) return;
  for (std::size_t i = 0; i < count; ++i) {
    codes[i] = byte(std::clamp(nearest_int((x[i] + offset) / scale), -zero, top - zero) + zero);
  }
}

KFits fit_q2_k(const float* x) {
  KFits fits;
  float weights[16];
  for (std::size_t s = 0; s < 16; ++s) {
    for (std::size_t i = 0; i < 16; ++i) weights[i] = std::fabs(x[16 * s + i]);
    const AffineFit fit = fit_affine(kQ2kSearch, x + 16 * s, weights, 16, &fits.codes[16 * s]);
    fits.scale[s] = fit.scale;
    fits.offset[s] = fit.offset;
  }
  return fits;
}

KFits fit_q3_k(const float* x) {
  KFits fits;
  for (std::size_t s = 0; s < 16; ++s) fits.scale[s] = fit_q3(x + 16 * s, &fits.codes[16 * s]);
  return fits;
}

KFits fit_q4_k(const float* x) {
  return fit_with_rms_weights(kQ4kSearch, x);
}
KFits fit_q5_k(const float* x) {
  return fit_with_rms_weights(kQ5kSearch, x);
}

KFits fit_q6_k(const float* x) {
  KFits fits;
  for (std::size_t s = 0; s < 16; ++s) fits.scale[s] = fit_q6(x + 16 * s, &fits.codes[16 * s]);
  return fits;
}

void finish_q2_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y) {
  const float most_scale = largest(fits.scale, 16), most_offset = largest(fits.offset, 16);
  const float inverse_scale = 15.0f / most_scale, inverse_offset = 15.0f / most_offset;
  std::uint8_t* const scales = y + Q2k::scales;
  for (std::size_t s = 0; s < 16; ++s) {
    const int low = most_scale > 0.0f ? nearest_int(inverse_scale * fits.scale[s]) : 0;
    const int high = most_offset > 0.0f ? nearest_int(inverse_offset * fits.offset[s]) : 0;
    scales[s] = byte(low | high << 4);
  }
  store_half(y + Q2k::d, most_scale > 0.0f ? most_scale / 15.0f : 0.0f);
  store_half(y + Q2k::dmin, most_offset > 0.0f ? most_offset / 15.0f : 0.0f);
  const float d = load_half(y + Q2k::d), dmin = load_half(y + Q2k::dmin);
  for (std::size_t s = 0; s < 16; ++s) {
    choose(x + 16 * s, 16, d * static_cast<float>(scales[s] & 15),
           dmin * static_cast<float>(scales[s] >> 4), 0, 3, &fits.codes[16 * s]);
  }
  pack_pairs(fits.codes.data(), y + Q2k::codes);
}

void finish_q3_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y) {
  const float peak = signed_peak(fits.scale);
  const float inverse = peak != 0.0f ? -32.0f / peak : 0.0f;
  std::array<std::int8_t, 16> scales;
  // A block without any scale stores zero bits, which read as −32.
  scales.fill(-32);
  if (peak != 0.0f) {
    for (std::size_t s = 0; s < 16; ++s) {
      const auto wrapped = static_cast<std::int8_t>(nearest_int(inverse * fits.scale[s]));
      scales[s] = std::clamp<std::int8_t>(wrapped, -32, 31);
    }
  }
  store_half(y + Q3k::d, peak != 0.0f ? 1.0f / inverse : 0.0f);
  pack_q3_scales(scales, y + Q3k::scales);
  const float d = load_half(y + Q3k::d);
  for (std::size_t s = 0; s < 16; ++s) {
    choose(x + 16 * s, 16, d * scales[s], 0.0f, 4, 7, &fits.codes[16 * s]);
  }
  pack_high_bits(fits.codes.data(), 2, y + Q3k::high);
  pack_pairs(fits.codes.data(), y + Q3k::codes);
}

void finish_q4_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y) {
  finish_with_scale_mins(x, fits, 15, choose, y);
  pack_long_nibbles(fits.codes.data(), y + Q4k::codes);
}

void finish_q5_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y) {
  finish_with_scale_mins(x, fits, 31, choose, y);
  pack_high_bits(fits.codes.data(), 4, y + Q5k::high);
  pack_long_nibbles(fits.codes.data(), y + Q5k::codes);
}

void finish_q6_k(const float* x, KFits& fits, ChooseCodes choose, std::uint8_t* y) {
  const float peak = signed_peak(fits.scale);
  if (std::fabs(peak) < kZeroGroup) {
    std::fill_n(y, ggml_info(GgmlFormat::q6_k).block_bytes, std::uint8_t{0});
    return;
  }
  const float inverse = -128.0f / peak;
  store_half(y + Q6k::d, 1.0f / inverse);
  const float d = load_half(y + Q6k::d);
  for (std::size_t s = 0; s < 16; ++s) {
    const auto scale =
        static_cast<std::int8_t>(std::min(127, nearest_int(inverse * fits.scale[s])));
    y[Q6k::scales + s] = byte(scale);
    choose(x + 16 * s, 16, d * scale, 0.0f, 32, 63, &fits.codes[16 * s]);
  }
  for (std::size_t h = 0; h < 2; ++h) {
    for (std::size_t l = 0; l < 32; ++l) {
      const std::uint8_t* c = &fits.codes[128 * h + l];
      y[Q6k::low + 64 * h + l] = byte((c[0] & 15) | (c[64] & 15) << 4);
      y[Q6k::low + 64 * h + l + 32] = byte((c[32] & 15) | (c[96] & 15) << 4);
      y[Q6k::high + 32 * h + l] =
          byte(c[0] >> 4 | c[32] >> 4 << 2 | c[64] >> 4 << 4 | c[96] >> 4 << 6);
    }
  }
}

}  // namespace refute::kernels::ggml_detail
