#include "kernels/cpu/ggml_k_fit.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/ggml_blocks.hpp"

namespace refute::kernels::ggml_detail {
namespace {

constexpr std::size_t kMaxGroup = 32;
constexpr std::size_t kGroup = 16;

float f32(std::int32_t i) {
  return static_cast<float>(i);
}

/// Least and largest value, the least not above zero, and the weighted sums that every step uses.
struct Moments {
  float least, most, sum_w, sum_wx;
};

Moments moments(const float* x, const float* w, std::size_t count) {
  Moments m = {x[0], x[0], w[0], w[0] * x[0]};
  for (std::size_t i = 1; i < count; ++i) {
    m.least = std::min(m.least, x[i]);
    m.most = std::max(m.most, x[i]);
    m.sum_w += w[i];
    m.sum_wx += w[i] * x[i];
  }
  if (m.least > 0.0f) m.least = 0.0f;
  return m;
}

/// Codes on the line from `least` upwards, and the weighted sums of a regression on them.
struct Regression {
  float sum_l = 0, sum_ll = 0, sum_lx = 0;
};

Regression assign_codes(const float* x, const float* w, std::size_t count, float least,
                        float inverse, int levels, std::uint8_t* codes) {
  Regression r;
  for (std::size_t i = 0; i < count; ++i) {
    const int code = std::clamp(nearest_int(inverse * (x[i] - least)), 0, levels);
    codes[i] = static_cast<std::uint8_t>(code);
    r.sum_l += w[i] * f32(code);
    r.sum_ll += w[i] * f32(code) * f32(code);
    r.sum_lx += w[i] * f32(code) * x[i];
  }
  return r;
}

float weighted_error(const float* x, const float* w, std::size_t count, const std::uint8_t* codes,
                     float scale, float least, bool absolute) {
  float error = 0.0f;
  for (std::size_t i = 0; i < count; ++i) {
    const float d = scale * f32(codes[i]) + least - x[i];
    error += w[i] * (absolute ? std::fabs(d) : d * d);
  }
  return error;
}

/// The line of weighted least squares through (code, x); through the origin when it would start
/// above zero, because offsets have no sign. Only for a positive determinant.
struct Line {
  float scale, least;
};

Line regress(const Moments& m, const Regression& r, float determinant) {
  const float least = (r.sum_ll * m.sum_wx - r.sum_l * r.sum_lx) / determinant;
  if (least > 0.0f) return {r.sum_lx / r.sum_ll, 0.0f};
  return {(m.sum_w * r.sum_lx - m.sum_wx * r.sum_l) / determinant, least};
}

float peak_of(const float* x) {
  float peak = 0.0f;
  for (std::size_t i = 0; i < kGroup; ++i) {
    if (std::fabs(x[i]) > std::fabs(peak)) peak = x[i];
  }
  return peak;
}

/// Sums of a fit through the origin with weights x².
struct OriginSums {
  float lx = 0, ll = 0;
};

OriginSums origin_sums(const float* x, float inverse, int half) {
  OriginSums s;
  for (std::size_t i = 0; i < kGroup; ++i) {
    const float code = f32(std::clamp(nearest_int(inverse * x[i]), -half, half - 1));
    const float w = x[i] * x[i];
    s.lx += w * x[i] * code;
    s.ll += w * code * code;
  }
  return s;
}

void store_centred(const float* x, float inverse, int half, std::uint8_t* codes) {
  for (std::size_t i = 0; i < kGroup; ++i) {
    const int code = std::clamp(nearest_int(inverse * x[i]), -half, half - 1);
    codes[i] = static_cast<std::uint8_t>(code + half);
  }
}

/// Moves the code of one value to where the fit of all the others would put it, if that makes the
/// whole fit better.
bool improve_one(float x, int half, OriginSums& sums, int& code) {
  const float w = x * x;
  OriginSums trial = {sums.lx - w * x * f32(code), 0.0f};
  if (!(trial.lx > 0.0f)) return false;
  trial.ll = sums.ll - w * f32(code) * f32(code);
  const int moved = std::clamp(nearest_int(x * trial.ll / trial.lx), -half, half - 1);
  if (moved == code) return false;
  trial.lx += w * x * f32(moved);
  trial.ll += w * f32(moved) * f32(moved);
  if (!(trial.ll > 0.0f)) return false;
  if (!(trial.lx * trial.lx * sums.ll > sums.lx * sums.lx * trial.ll)) return false;
  code = moved;
  sums = trial;
  return true;
}

}  // namespace

AffineFit fit_affine(const AffineSearch& search, const float* x, const float* weights,
                     std::size_t count, std::uint8_t* codes) {
  const Moments m = moments(x, weights, count);
  if (m.most == m.least) {
    std::fill_n(codes, count, std::uint8_t{0});
    return {0.0f, -m.least};
  }
  const float inverse = f32(search.levels) / (m.most - m.least);
  Line best = {1.0f / inverse, m.least};
  assign_codes(x, weights, count, best.least, inverse, search.levels, codes);
  float best_error =
      weighted_error(x, weights, count, codes, best.scale, best.least, search.absolute);

  std::array<std::uint8_t, kMaxGroup> trial_codes;
  for (int i = 0; i <= search.steps; ++i) {
    // Once a line was better, its least value takes the place of the group's: ggml has one variable
    // for both.
    const float tried =
        (search.first + search.step * f32(i) + f32(search.levels)) / (m.most - best.least);
    const Regression r =
        assign_codes(x, weights, count, best.least, tried, search.levels, trial_codes.data());
    const float determinant = m.sum_w * r.sum_ll - r.sum_l * r.sum_l;
    if (!(determinant > 0.0f)) continue;
    const Line line = regress(m, r, determinant);
    const float error = weighted_error(x, weights, count, trial_codes.data(), line.scale,
                                       line.least, search.absolute);
    if (!(error < best_error)) continue;
    std::copy_n(trial_codes.begin(), count, codes);
    best_error = error;
    best = line;
  }
  return {best.scale, -best.least};
}

float fit_q6(const float* x, std::uint8_t* codes) {
  constexpr int kHalf = 32;
  const float peak = peak_of(x);
  if (std::fabs(peak) < kZeroGroup) {
    std::fill_n(codes, kGroup, std::uint8_t{0});
    return 0.0f;
  }
  float chosen = -f32(kHalf) / peak;
  OriginSums sums = origin_sums(x, chosen, kHalf);
  float scale = sums.ll != 0.0f ? sums.lx / sums.ll : 0.0f;
  float best = scale * sums.lx;
  for (int i = -9; i <= 9; ++i) {
    if (i == 0) continue;
    const float tried = -(f32(kHalf) + 0.1f * f32(i)) / peak;
    sums = origin_sums(x, tried, kHalf);
    if (!(sums.ll > 0.0f && sums.lx * sums.lx > best * sums.ll)) continue;
    chosen = tried;
    scale = sums.lx / sums.ll;
    best = scale * sums.lx;
  }
  store_centred(x, chosen, kHalf, codes);
  return scale;
}

float fit_q3(const float* x, std::uint8_t* codes) {
  constexpr int kHalf = 4;
  const float peak = peak_of(x);
  if (std::fabs(peak) < kZeroGroup) {
    std::fill_n(codes, kGroup, std::uint8_t{0});
    return 0.0f;
  }
  const float inverse = -f32(kHalf) / peak;
  OriginSums sums = origin_sums(x, inverse, kHalf);
  std::array<int, kGroup> centred;
  for (std::size_t i = 0; i < kGroup; ++i) {
    centred[i] = std::clamp(nearest_int(inverse * x[i]), -kHalf, kHalf - 1);
  }
  bool improved = true;
  for (int round = 0; round < 5 && improved; ++round) {
    improved = false;
    for (std::size_t i = 0; i < kGroup; ++i) {
      improved |= improve_one(x[i], kHalf, sums, centred[i]);
    }
  }
  for (std::size_t i = 0; i < kGroup; ++i) codes[i] = static_cast<std::uint8_t>(centred[i] + kHalf);
  return sums.ll > 0.0f ? sums.lx / sums.ll : 0.0f;
}

}  // namespace refute::kernels::ggml_detail
