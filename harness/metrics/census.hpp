#pragma once

// Values that are not finite, counted before anything is measured.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace refute::metrics {

enum class FloatClass : std::uint8_t { finite, nan, positive_infinity, negative_infinity };

FloatClass classify(float x);

/// How many values of each class, and where the first that is not finite stands.
struct Census {
  std::uint64_t nan = 0, positive_infinity = 0, negative_infinity = 0;
  std::optional<std::size_t> first;

  bool all_finite() const { return !first.has_value(); }
  bool operator==(const Census&) const = default;
};

Census census(std::span<const float> values);

/// The first index at which one side is NaN, +Inf or -Inf and the other is not the same; none if
/// the masks agree. Equal lengths.
std::optional<std::size_t> first_mask_mismatch(std::span<const float> got,
                                               std::span<const float> reference);

}  // namespace refute::metrics
