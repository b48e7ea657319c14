#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace refute::worker {

/// Where the elements of a generated tensor come from, the simplest first: shrinking moves towards
/// the front.
enum class Family : std::uint8_t {
  zeros,
  constant,
  ramp,
  sparse,
  uniform,
  normal,
  laplace,
  student_t4,
  log_uniform,
  outlier,
  near_ties_e4m3,
  near_ties_e5m2,
  near_overflow,
  subnormals,
  bit_uniform_finite,
  bit_uniform,
  specials,
};

struct FamilyRow {
  Family family;
  std::string_view name;
  std::string_view help;
  bool finite;  ///< makes no NaN and no infinity
};

inline constexpr std::array<FamilyRow, 17> kFamilies = {{
    {Family::zeros, "zeros", "+0.0 throughout", true},
    {Family::constant, "constant", "one value throughout, of any finite exponent", true},
    {Family::ramp, "ramp", "i / n from -1 to 1", true},
    {Family::sparse, "sparse", "normal, with nine of ten elements zero", true},
    {Family::uniform, "uniform", "U[-1, 1)", true},
    {Family::normal, "normal", "N(0, 1) by Box and Muller", true},
    {Family::laplace, "laplace", "Laplace(0, 1)", true},
    {Family::student_t4, "student_t4", "Student's t with 4 degrees of freedom: heavy tails", true},
    {Family::log_uniform, "log_uniform", "either sign, magnitude 2^u with u uniform in [-6, 6)",
     true},
    {Family::outlier, "outlier", "normal, with one element of 1000", true},
    {Family::near_ties_e4m3, "near_ties_e4m3",
     "midpoints between E4M3 codes, and one ULP to either side", true},
    {Family::near_ties_e5m2, "near_ties_e5m2",
     "midpoints between E5M2 codes, and one ULP to either side", true},
    {Family::near_overflow, "near_overflow",
     "a few ULP around 448, 464, 57344, 61440 and the largest float", true},
    {Family::subnormals, "subnormals", "subnormal floats of either sign, and zeros", true},
    {Family::bit_uniform_finite, "bit_uniform_finite",
     "uniform over the bit patterns of finite floats", true},
    {Family::bit_uniform, "bit_uniform",
     "uniform over all bit patterns, NaN and infinity among them", false},
    {Family::specials, "specials", "NaNs, infinities, zeros, subnormals and extremes", false},
}};

constexpr std::string_view to_string(Family f) {
  return kFamilies[static_cast<std::size_t>(f)].name;
}
constexpr bool is_finite(Family f) {
  return kFamilies[static_cast<std::size_t>(f)].finite;
}
std::optional<Family> family_from(std::string_view name);

/// Bit patterns that deserve a case each, for putting into otherwise tame tensors. The first
/// `kFiniteSpecials` of them are finite.
std::span<const std::uint32_t> special_bits();
std::span<const std::uint32_t> finite_special_bits();

/// Fills `out` from the family. Element i depends on (family, seed, i) only, but for ramp (also on
/// the length) and outlier (its place too). Own transformations of raw bits, because the standard
/// distributions differ between libraries.
void fill(Family family, std::uint64_t seed, std::span<float> out);

/// out[i] = the float with the bit pattern first + i.
void fill_patterns(std::uint32_t first, std::span<float> out);

}  // namespace refute::worker
