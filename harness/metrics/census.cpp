#include "harness/metrics/census.hpp"

#include <algorithm>
#include <bit>

namespace refute::metrics {
namespace {

constexpr std::uint32_t kInfinity = 0x7F800000u;

/// Compared as integers, every magnitude that is not finite is larger than every one that is.
bool all_finite(std::span<const float> values) {
  std::uint32_t most = 0;
  for (const float x : values) most = std::max(most, std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu);
  return most < kInfinity;
}

}  // namespace

FloatClass classify(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude < kInfinity) return FloatClass::finite;
  if (magnitude > kInfinity) return FloatClass::nan;
  return bits == kInfinity ? FloatClass::positive_infinity : FloatClass::negative_infinity;
}

Census census(std::span<const float> values) {
  Census found;
  if (all_finite(values)) return found;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const FloatClass kind = classify(values[i]);
    if (kind == FloatClass::finite) continue;
    if (!found.first) found.first = i;
    found.nan += kind == FloatClass::nan;
    found.positive_infinity += kind == FloatClass::positive_infinity;
    found.negative_infinity += kind == FloatClass::negative_infinity;
  }
  return found;
}

std::optional<std::size_t> first_mask_mismatch(std::span<const float> got,
                                               std::span<const float> reference) {
  const std::size_t shared = std::min(got.size(), reference.size());
  for (std::size_t i = 0; i < shared; ++i) {
    if (classify(got[i]) != classify(reference[i])) return i;
  }
  if (got.size() != reference.size()) return shared;
  return std::nullopt;
}

}  // namespace refute::metrics
