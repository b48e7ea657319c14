#include "kernels/ggml_bound.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace refute::kernels {
namespace {

constexpr double kMaxHalf = 65519.0;  // from 65520 on binary16 is infinite
constexpr double kInfinite = std::numeric_limits<double>::infinity();

using Values = std::span<const float>;

/// What rounding to binary16 moves a scale by, infinity where it overflows.
double half_rounding(double d) {
  if (!(std::fabs(d) < kMaxHalf)) return kInfinite;
  return std::max(std::fabs(d) * 0x1p-11, 0x1p-25);
}

double least(Values x) {
  return *std::ranges::min_element(x);
}
double most(Values x) {
  return *std::ranges::max_element(x);
}
double peak(Values x) {
  return std::max(std::fabs(least(x)), std::fabs(most(x)));
}

double sixteen_bits(Values x, double relative, double absolute, double overflow) {
  const double v = peak(x);
  return v < overflow ? std::max(v * relative, absolute) : kInfinite;
}

double centred(Values x, double half) {
  const double d = peak(x) / half;
  // The value farthest on the other side of zero than the peak; both sides when they are as far.
  const double other = std::min(std::fabs(least(x)), std::fabs(most(x)));
  const bool both_signs = least(x) < 0.0 && most(x) > 0.0;
  const double clipped = both_signs ? other - (half - 1.0) * d : 0.0;
  return std::max(0.5 * d, clipped) + half * half_rounding(d);
}

double affine(Values x, double top) {
  const double d = (most(x) - least(x)) / top;
  return 0.5 * d + top * half_rounding(d) + half_rounding(least(x));
}

double mxfp4(Values x) {
  const double v = peak(x);
  // Below 2^-125 the exponent wraps round and everything reads as zero.
  if (v < 0x1p-124) return v;
  // A float just below a power of two counts as that power.
  const int e = std::ilogb(v * (1.0 + 0x1p-18));
  if (e >= 128) return v;
  const double d = std::ldexp(1.0, e - 2);
  return std::max(d, v - 6.0 * d);
}

/// A K format with offsets: `count` values a sub-block, codes 0 … top, scales 0 … scale_top.
struct AffineK {
  std::size_t count;
  double top, scale_top;
  double fit;
};

/// A K format without: codes −half … half − 1, scales to scale_top either way.
struct CentredK {
  double half, scale_top;
  double fit;
};

// fit: over 20 kinds of values, 20 seeds each (6.5 million values a format), correct blocks needed
// at most 1.28, 0.94, 0.95 (Q2_K, Q4_K, Q5_K), 1.07, 0.5 (Q3_K, Q6_K) and 19.7 (IQ4_NL); taken with
// a margin of a quarter or more, which is still below the two steps of the smallest gross error.
constexpr AffineK kQ2k = {16, 3, 15, 1.75}, kQ4k = {32, 15, 63, 1.25}, kQ5k = {32, 31, 63, 1.25};
constexpr CentredK kQ3k = {4, 32, 1.4}, kQ6k = {32, 128, 1.0};
constexpr double kIq4NlFit = 25.0;

/// A fitted scale may be larger than the step that it started from.
double fitted_rounding(double d) {
  return half_rounding(2.0 * d);
}

double super_block(Values x, const AffineK& k) {
  double step = 0.0, offset = 0.0;
  for (; !x.empty(); x = x.subspan(k.count)) {
    const double low = std::min(0.0, least(x.first(k.count)));
    step = std::max(step, (most(x.first(k.count)) - low) / k.top);
    offset = std::max(offset, -low);
  }
  const double coarse = 0.5 / k.scale_top;
  return step * (k.fit + k.top * coarse) + offset * coarse +
         k.scale_top *
             (k.top * fitted_rounding(step / k.scale_top) + fitted_rounding(offset / k.scale_top));
}

double super_block(Values x, const CentredK& k) {
  const double step = peak(x) / k.half;
  return step * (k.fit + 0.5 * k.half / k.scale_top) +
         k.half * k.scale_top * fitted_rounding(step / k.scale_top);
}

double iq4_nl(Values x) {
  const double d = peak(x) / 127.0;
  return kIq4NlFit * d + 127.0 * fitted_rounding(d);
}

double exact_bound(GgmlFormat format, Values x) {
  switch (format) {
    case GgmlFormat::f16:
      return sixteen_bits(x, 0x1p-11, 0x1p-25, 65520.0);
    case GgmlFormat::bf16:
      return sixteen_bits(x, 0x1p-8, 0x1p-134, 0x1.FFp127);
    case GgmlFormat::q4_0:
      return centred(x, 8.0);
    case GgmlFormat::q4_1:
      return affine(x, 15.0);
    case GgmlFormat::q5_0:
      return centred(x, 16.0);
    case GgmlFormat::q5_1:
      return affine(x, 31.0);
    case GgmlFormat::q8_0:
      return 0.5 * peak(x) / 127.0 + 127.0 * half_rounding(peak(x) / 127.0);
    case GgmlFormat::q2_k:
      return super_block(x, kQ2k);
    case GgmlFormat::q3_k:
      return super_block(x, kQ3k);
    case GgmlFormat::q4_k:
      return super_block(x, kQ4k);
    case GgmlFormat::q5_k:
      return super_block(x, kQ5k);
    case GgmlFormat::q6_k:
      return super_block(x, kQ6k);
    case GgmlFormat::iq4_nl:
      return iq4_nl(x);
    case GgmlFormat::mxfp4:
      return mxfp4(x);
  }
  return kInfinite;
}

}  // namespace

float ggml_block_bound(GgmlFormat format, std::span<const float> block) {
  assert(block.size() == ggml_info(format).block_size);
  // The quantisers' own f32 arithmetic: a few roundings of values up to 128 steps.
  constexpr double kArithmetic = 1.0 + 0x1p-12;
  return static_cast<float>(exact_bound(format, block) * kArithmetic);
}

}  // namespace refute::kernels
