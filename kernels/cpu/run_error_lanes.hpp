#pragma once

// What the scalar and the vector pass share: the sums on their way, and how a pass ends.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/ggml_half.hpp"
#include "kernels/run_error.hpp"

namespace refute::kernels::run_error_detail {

constexpr std::size_t kLanes = 8;
constexpr std::uint32_t kInfinityBits = ggml_detail::kInfinityBits;

/// Value i of the run was added to lane i mod 8.
struct Sums {
  using Lanes = std::array<double, kLanes>;
  Lanes d2 = {}, x2 = {}, y2 = {}, xy = {};
  std::uint32_t most_bits = 0;  ///< of the largest |d|; NaN is above infinity
  std::uint64_t different = 0;
};

/// Three sums are enough for these; see RunError.
struct ThreeSums {
  Sums::Lanes d2 = {}, x2 = {}, xd = {};
  std::uint32_t most_bits = 0;
  std::uint64_t different = 0;
};
template <StoredFloat kX, StoredFloat kY>
inline constexpr bool kThreeSumsDo = kX == kY&& kX != StoredFloat::f32;

template <StoredFloat kType>
inline float value_at(const void* data, std::size_t i) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  if constexpr (kType == StoredFloat::f32) {
    float v;
    std::memcpy(&v, bytes + 4 * i, sizeof v);
    return v;
  } else {
    std::uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, sizeof bits);
    return kType == StoredFloat::f16 ? ggml_detail::half_to_float(bits)
                                     : ggml_detail::brain_to_float(bits);
  }
}

inline std::uint32_t magnitude_bits(float v) {
  return std::bit_cast<std::uint32_t>(v) & 0x7FFFFFFFu;
}

/// 1 where the stored bits of two values of one type differ.
template <StoredFloat kX, StoredFloat kY>
inline std::uint64_t differs(const void* x, const void* y, std::size_t i) {
  if constexpr (kX != kY) return 0;
  const std::size_t size = bytes_of(kX);
  return std::memcmp(static_cast<const unsigned char*>(x) + i * size,
                     static_cast<const unsigned char*>(y) + i * size, size) != 0;
}

/// Adds values begin … count − 1; `begin` is a multiple of the lanes.
template <StoredFloat kX, StoredFloat kY>
void add_values(const void* x, const void* y, std::size_t begin, std::size_t count, Sums& sums) {
  for (std::size_t i = begin; i < count; ++i) {
    const std::size_t lane = i % kLanes;
    const float xf = value_at<kX>(x, i), yf = value_at<kY>(y, i);
    const float difference = xf - yf;
    const double d = difference, xd = xf, yd = yf;
    sums.d2[lane] += d * d;
    sums.x2[lane] += xd * xd;
    sums.y2[lane] += yd * yd;
    sums.xy[lane] += xd * yd;
    sums.most_bits = std::max(sums.most_bits, magnitude_bits(difference));
    sums.different += differs<kX, kY>(x, y, i);
  }
}

template <StoredFloat kX, StoredFloat kY>
void add_values(const void* x, const void* y, std::size_t begin, std::size_t count,
                ThreeSums& sums) {
  for (std::size_t i = begin; i < count; ++i) {
    const std::size_t lane = i % kLanes;
    const float xf = value_at<kX>(x, i);
    const float difference = xf - value_at<kY>(y, i);
    const double d = difference, xd = xf;
    sums.d2[lane] += d * d;
    sums.x2[lane] += xd * xd;
    sums.xd[lane] += xd * d;
    sums.most_bits = std::max(sums.most_bits, magnitude_bits(difference));
    sums.different += differs<kX, kY>(x, y, i);
  }
}

inline double total(const Sums::Lanes& l) {
  return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
}

inline RunError error_of(const Sums& s) {
  return {.sum_d2 = total(s.d2),
          .sum_x2 = total(s.x2),
          .sum_y2 = total(s.y2),
          .sum_xy = total(s.xy),
          .max_abs = std::bit_cast<float>(std::min(s.most_bits, kInfinityBits)),
          .different = s.different};
}

inline RunError error_of(const ThreeSums& s) {
  const double d2 = total(s.d2), x2 = total(s.x2), xd = total(s.xd);
  return {.sum_d2 = d2,
          .sum_x2 = x2,
          .sum_y2 = (x2 - 2 * xd) + d2,
          .sum_xy = x2 - xd,
          .max_abs = std::bit_cast<float>(std::min(s.most_bits, kInfinityBits)),
          .different = s.different};
}

/// Whether three sums have said enough: rounding has not eaten Σy², or nothing means anything.
inline bool three_sums_did(const RunError& e) {
  return std::isinf(e.max_abs) || (e.sum_y2 >= 0.25 * e.sum_x2 && e.sum_y2 <= 4 * e.sum_x2);
}

/// Both ways of summing, which the scalar and the vector pass bring along.
template <StoredFloat kX, StoredFloat kY, class Three, class Four>
RunError error_by(Three three, Four four) {
  if constexpr (kThreeSumsDo<kX, kY>) {
    const RunError error = error_of(three());
    if (three_sums_did(error)) return error;
  }
  return error_of(four());
}

/// Calls pass.operator()<kX, kY>() for the types of both runs.
template <class Pass>
auto with_types(StoredFloat x, StoredFloat y, Pass pass) {
  using enum StoredFloat;
  const auto with_y = [&]<StoredFloat kX>() {
    switch (y) {
      case f32:
        return pass.template operator()<kX, f32>();
      case f16:
        return pass.template operator()<kX, f16>();
      case bf16:
        return pass.template operator()<kX, bf16>();
    }
    return decltype(pass.template operator()<kX, f32>()){};
  };
  switch (x) {
    case f32:
      return with_y.template operator()<f32>();
    case f16:
      return with_y.template operator()<f16>();
    case bf16:
      return with_y.template operator()<bf16>();
  }
  return decltype(with_y.template operator()<f32>()){};
}

template <StoredFloat kX, StoredFloat kY>
std::size_t index_of(const void* x, const void* y, std::size_t count, float max_abs) {
  const std::uint32_t wanted = magnitude_bits(max_abs);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = magnitude_bits(value_at<kX>(x, i) - value_at<kY>(y, i));
    if (std::min(bits, kInfinityBits) == wanted) return i;
  }
  return count;
}

}  // namespace refute::kernels::run_error_detail
