#pragma once

// What a format cannot hold of finite weights. A scale in binary16 ends at 65504 and below 2^-25;
// beyond that a quantiser gives infinities, or zeros, and says nothing.

#include <cstddef>
#include <optional>
#include <span>

#include "harness/instruments/quantize_target.hpp"

namespace refute::instruments {

/// Values that share a scale.
struct LossGroup {
  std::size_t first = 0, length = 1;  ///< place in the tensor, and how many
  float largest = 0;                  ///< magnitude among them, before quantising
};

/// Of a stretch of one tensor. Groups are the format's blocks; F16, BF16: single values; FP8: all
/// of the stretch.
struct Losses {
  std::optional<LossGroup> too_large;  ///< the first group that is no longer finite
  std::size_t alive = 0;               ///< groups that are still worth something
  std::size_t flushed = 0;             ///< groups that were not all zeros and are so now
  std::optional<LossGroup> first_flushed;
  float largest_flushed = 0;

  bool whole() const { return flushed != 0 && alive == 0; }

  /// Takes in what was found elsewhere in the tensor; first is what stands first.
  void add(const Losses& other);
};

/// in: finite values from `first` on; codes: what they became.
Losses find_losses(const QuantizeTarget& target, std::size_t first, std::span<const float> in,
                   std::span<const std::byte> codes);

}  // namespace refute::instruments
