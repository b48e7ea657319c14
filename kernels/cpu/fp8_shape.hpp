#pragma once

// What an Fp8Layout means in memory: groups of consecutive values that share one scale. No numbers
// are made here.

#include <cstddef>
#include <limits>

#include "kernels/fp8.hpp"

namespace refute::kernels {

/// `count` groups of `length` consecutive values each.
struct Fp8Groups {
  std::size_t count = 0, length = 0;
};

constexpr Fp8Groups fp8_groups(const Fp8Layout& layout) {
  switch (layout.granularity) {
    case Fp8Granularity::tensor:
      return {1, layout.size()};
    case Fp8Granularity::channel:
      return {layout.rows, layout.cols};
    case Fp8Granularity::block:
      return {layout.scale_count(), layout.block};
  }
  return {};
}

/// Whether spans of these lengths fit the layout. rows·cols must not wrap around.
constexpr bool fp8_sizes_fit(const Fp8Layout& layout, std::size_t values, std::size_t codes,
                             std::size_t scales) {
  if (layout.cols != 0 && layout.rows > std::numeric_limits<std::size_t>::max() / layout.cols) {
    return false;
  }
  if (layout.granularity == Fp8Granularity::block &&
      (layout.block == 0 || layout.cols % layout.block != 0)) {
    return false;
  }
  return values == layout.size() && codes == values && scales == layout.scale_count();
}

}  // namespace refute::kernels
