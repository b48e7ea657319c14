#include "harness/worker/domains.hpp"

#include <bit>
#include <cmath>

#include "harness/worker/clones.hpp"
#include "harness/worker/expand.hpp"

#define REFUTE_INLINE [[gnu::always_inline]] inline

namespace refute::worker {
namespace {

constexpr std::array<std::uint32_t, 26> kSpecials = {
    0x00000000, 0x80000000,              // zeros
    0x00000001, 0x80000001, 0x007fffff,  // smallest and largest subnormals
    0x00800000, 0x80800000,              // least normal
    0x3f800000, 0xbf800000, 0x3f7fffff,  // one and its lower neighbour
    0x43e00000, 0xc3e00000, 0x43e80000,  // 448, 464: E4M3's largest value and its overflow tie
    0x43e80001, 0x3a800000, 0x3b000000,  // just above; half of and the least E4M3 subnormal
    0x47600000, 0x47700000,              // 57344, 61440: the same for E5M2
    0x7f7fffff, 0xff7fffff,              // largest finite
    0x7f800000, 0xff800000,              // infinities
    0x7fc00000, 0xffc00000,              // quiet NaNs
    0x7f800001, 0xffbfffff,              // signalling NaNs
};
constexpr std::size_t kFiniteSpecials = 20;

REFUTE_INLINE float from_bits(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}
REFUTE_INLINE std::uint32_t to_bits(float x) {
  return std::bit_cast<std::uint32_t>(x);
}
REFUTE_INLINE float with_sign(float x, std::uint32_t word) {
  return from_bits(to_bits(x) | (word & 0x80000000u));
}

/// The middle of one of 2^23 equal cells of (0, 1): never 0, never 1.
REFUTE_INLINE float open_unit(std::uint32_t word) {
  return (static_cast<float>(static_cast<std::int32_t>(word >> 9)) + 0.5f) * 0x1p-23f;
}

/// ln of a normal positive float by atanh's series on [1/√2, √2); about 2 ULP.
REFUTE_INLINE float log_of(float x) {
  const std::uint32_t shifted =
      to_bits(x) - 0x3f3504f3u;  // so that the mantissa part starts at 1/√2
  const auto exponent = static_cast<std::int32_t>(shifted) >> 23;
  const float m = from_bits((shifted & 0x7fffffu) + 0x3f3504f3u);
  const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
  const float series = 1.0f + z * (1.0f / 3 + z * (1.0f / 5 + z * (1.0f / 7 + z * (1.0f / 9))));
  return 2.0f * s * series + static_cast<float>(exponent) * 0.693147181f;
}

/// cos of 2π·u for a uniform word, up to a fixed phase (which a uniform angle does not notice): a
/// quadrant from the two top bits, and Taylor's series on [-π/4, π/4) from the others.
REFUTE_INLINE float cosine_of_turn(std::uint32_t word) {
  const float a =
      (static_cast<float>(static_cast<std::int32_t>(word << 2) >> 9)) * (0x1p-23f * 1.57079633f);
  const float z = a * a;
  const float cosine = 1.0f - z * (0.5f - z * (1.0f / 24 - z * (1.0f / 720 - z * (1.0f / 40320))));
  const float sine = a * (1.0f - z * (1.0f / 6 - z * (1.0f / 120 - z * (1.0f / 5040))));
  const std::uint32_t odd = 0u - ((word >> 30) & 1u);
  return from_bits(((to_bits(sine) & odd) | (to_bits(cosine) & ~odd)) ^ (word & 0x80000000u));
}

/// 2^f for f in [-1/2, 1/2), by the exponential's series.
REFUTE_INLINE float exp2_small(float f) {
  const float y = f * 0.693147181f;
  return 1.0f +
         y * (1.0f +
              y * (0.5f + y * (1.0f / 6 + y * (1.0f / 24 + y * (1.0f / 120 + y * (1.0f / 720))))));
}

REFUTE_INLINE float normal_at(std::uint64_t seed, std::uint32_t i) {
  const float radius = std::sqrt(-2.0f * log_of(open_unit(word_at(seed, 0, i))));
  return radius * cosine_of_turn(word_at(seed, 1, i));
}

REFUTE_INLINE float uniform_at(std::uint64_t seed, std::uint32_t i) {
  return static_cast<float>(static_cast<std::int32_t>(word_at(seed, 0, i)) >> 8) * 0x1p-23f;
}

REFUTE_INLINE float laplace_at(std::uint64_t seed, std::uint32_t i) {
  return with_sign(-log_of(open_unit(word_at(seed, 0, i))), word_at(seed, 1, i));
}

/// The middle of one of 2^16 equal cells of (0, 1), from the low half of a word.
REFUTE_INLINE float coarse_unit(std::uint32_t word) {
  return (static_cast<float>(static_cast<std::int32_t>(word & 0xffffu)) + 0.5f) * 0x1p-16f;
}

/// A normal over the root of a quarter of a chi-squared with 4 degrees of freedom, which is
/// -2·ln(u·v). Written with one root and two logarithms: sqrt(-2·ln w) / sqrt(-ln(u·v) / 2) =
/// 2·sqrt(ln w / ln(u·v)). With 16 bits for each of u and v, ln(u·v) is at most -2^-16, so the
/// tail ends near 2000, where one element in 10^12 would be.
REFUTE_INLINE float student_at(std::uint64_t seed, std::uint32_t i) {
  const std::uint32_t halves = word_at(seed, 2, i);
  const float w = open_unit(word_at(seed, 0, i));
  const float uv = coarse_unit(halves) * coarse_unit(halves >> 16);
  return 2.0f * std::sqrt(log_of(w) / log_of(uv)) * cosine_of_turn(word_at(seed, 1, i));
}

REFUTE_INLINE float log_uniform_at(std::uint64_t seed, std::uint32_t i) {
  const std::uint32_t word = word_at(seed, 0, i), place = word_at(seed, 1, i);
  const float fraction = open_unit(word) - 0.5f;
  const std::uint32_t octave = (place & 0xffffu) * 12u >> 16;  // 0 … 11
  const float power = from_bits((127u - 6u + octave) << 23);
  return with_sign(exp2_small(fraction) * power * 1.41421356f, place);
}

/// Nine low bits of the first word have no part in the normal; 51 of their 512 values keep it.
REFUTE_INLINE float sparse_at(std::uint64_t seed, std::uint32_t i) {
  const auto keep = 0u - static_cast<std::uint32_t>((word_at(seed, 0, i) & 0x1ffu) < 51u);
  return from_bits(to_bits(normal_at(seed, i)) & keep);
}

/// Halfway between two neighbouring codes (or beyond the largest one) of a format with `kMantissa`
/// bits and this bias, moved by -1, 0 or 1 ULP.
template <std::uint32_t kMantissa, std::uint32_t kBias>
REFUTE_INLINE float near_tie_at(std::uint64_t seed, std::uint32_t i) {
  const std::uint32_t word = word_at(seed, 0, i);
  const std::uint32_t code = (word & 0xffffu) * 127u >> 16;
  const std::uint32_t exponent = code >> kMantissa, mantissa = code & ((1u << kMantissa) - 1);
  const std::uint32_t implied = exponent == 0 ? 0u : 1u << kMantissa;
  const float significand =
      static_cast<float>(static_cast<std::int32_t>(implied + mantissa)) + 0.5f;
  const std::uint32_t power = (exponent == 0 ? 1u : exponent) + 127u - kBias - kMantissa;
  const float tie = significand * from_bits(power << 23);
  const std::uint32_t step = ((word >> 16) & 0xffu) % 3u;  // 0, 1, 2 → -1, 0, +1 ULP
  return with_sign(from_bits(to_bits(tie) + step - 1u), word);
}

REFUTE_INLINE float near_overflow_at(std::uint64_t seed, std::uint32_t i) {
  constexpr std::uint32_t kEdges[8] = {0x43e00000, 0x43e80000, 0x47600000, 0x47700000,
                                       0x43e00000, 0x43e80000, 0x7f7ffff8, 0x47800000};
  const std::uint32_t word = word_at(seed, 0, i);
  return with_sign(from_bits(kEdges[word & 7u] + ((word >> 3) & 15u) % 15u - 7u), word);
}

REFUTE_INLINE float subnormal_at(std::uint64_t seed, std::uint32_t i) {
  const std::uint32_t word = word_at(seed, 0, i), size = word_at(seed, 1, i) % 24u;
  return from_bits((word & 0x80000000u) | ((word & 0x7fffffu) >> size));
}

/// An infinity or NaN has its exponent cut to that of the largest finite floats.
REFUTE_INLINE float finite_at(std::uint64_t seed, std::uint32_t i) {
  const std::uint32_t word = word_at(seed, 0, i);
  const std::uint32_t all_ones = (word & 0x7f800000u) == 0x7f800000u ? 0x00800000u : 0u;
  return from_bits(word ^ all_ones);
}

REFUTE_INLINE float bits_at(std::uint64_t seed, std::uint32_t i) {
  return from_bits(word_at(seed, 0, i));
}

REFUTE_INLINE float special_at(std::uint64_t seed, std::uint32_t i) {
  return from_bits(kSpecials[word_at(seed, 0, i) % kSpecials.size()]);
}

#define REFUTE_FILL(name, element)                                                      \
  REFUTE_CLONES void name(std::uint64_t seed, float* __restrict out, std::uint32_t n) { \
    for (std::uint32_t i = 0; i < n; ++i) out[i] = element(seed, i);                    \
  }
REFUTE_FILL(fill_sparse, sparse_at)
REFUTE_FILL(fill_uniform, uniform_at)
REFUTE_FILL(fill_normal, normal_at)
REFUTE_FILL(fill_laplace, laplace_at)
REFUTE_FILL(fill_student, student_at)
REFUTE_FILL(fill_log_uniform, log_uniform_at)
REFUTE_FILL(fill_near_ties_e4m3, (near_tie_at<3, 7>))
REFUTE_FILL(fill_near_ties_e5m2, (near_tie_at<2, 15>))
REFUTE_FILL(fill_near_overflow, near_overflow_at)
REFUTE_FILL(fill_subnormals, subnormal_at)
REFUTE_FILL(fill_finite, finite_at)
REFUTE_FILL(fill_bits, bits_at)
REFUTE_FILL(fill_specials, special_at)
#undef REFUTE_FILL

void fill_constant(std::uint64_t seed, std::span<float> out) {
  const float value = finite_at(seed, 0);
  for (float& x : out) x = value;
}

void fill_ramp(std::span<float> out) {
  const auto last = out.size() > 1 ? static_cast<float>(out.size() - 1) : 1.0f;
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = 2.0f * (static_cast<float>(i) / last) - 1.0f;
}

}  // namespace

std::optional<Family> family_from(std::string_view name) {
  for (const FamilyRow& row : kFamilies) {
    if (row.name == name) return row.family;
  }
  return std::nullopt;
}

std::span<const std::uint32_t> special_bits() {
  return kSpecials;
}
std::span<const std::uint32_t> finite_special_bits() {
  return std::span(kSpecials).first(kFiniteSpecials);
}

void fill_patterns(std::uint32_t first, std::span<float> out) {
  const auto n = static_cast<std::uint32_t>(out.size());
  float* p = out.data();
  for (std::uint32_t i = 0; i < n; ++i) p[i] = from_bits(first + i);
}

void fill(Family family, std::uint64_t seed, std::span<float> out) {
  float* p = out.data();
  const auto n = static_cast<std::uint32_t>(out.size());
  if (n == 0) return;
  switch (family) {
    case Family::zeros:
      for (float& x : out) x = 0.0f;
      return;
    case Family::constant:
      return fill_constant(seed, out);
    case Family::ramp:
      return fill_ramp(out);
    case Family::sparse:
      return fill_sparse(seed, p, n);
    case Family::uniform:
      return fill_uniform(seed, p, n);
    case Family::normal:
      return fill_normal(seed, p, n);
    case Family::laplace:
      return fill_laplace(seed, p, n);
    case Family::student_t4:
      return fill_student(seed, p, n);
    case Family::log_uniform:
      return fill_log_uniform(seed, p, n);
    case Family::outlier:
      fill_normal(seed, p, n);
      out[word_at(seed, 7, 0) % n] = 1000.0f;
      return;
    case Family::near_ties_e4m3:
      return fill_near_ties_e4m3(seed, p, n);
    case Family::near_ties_e5m2:
      return fill_near_ties_e5m2(seed, p, n);
    case Family::near_overflow:
      return fill_near_overflow(seed, p, n);
    case Family::subnormals:
      return fill_subnormals(seed, p, n);
    case Family::bit_uniform_finite:
      return fill_finite(seed, p, n);
    case Family::bit_uniform:
      return fill_bits(seed, p, n);
    case Family::specials:
      return fill_specials(seed, p, n);
  }
}

}  // namespace refute::worker
