#pragma once

// How warps share the groups of a tensor that is being quantised: each takes a segment of one
// group, so that a group of any length has one absmax and no warp sees two groups.

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/hd.hpp"

namespace refute::kernels::cuda {

inline constexpr std::size_t kFp8Segment = 2048;  ///< values a warp takes at most: 64 a lane

struct Fp8Segment {
  std::size_t group = 0;
  std::size_t begin = 0, end = 0;  ///< of the whole tensor
};

struct Fp8Split {
  std::size_t groups = 0, length = 0;  ///< of each group
  std::size_t segments = 0;            ///< per group

  REFUTE_HD static Fp8Split of(std::size_t groups, std::size_t length) {
    return {groups, length, (length + kFp8Segment - 1) / kFp8Segment};
  }
  REFUTE_HD std::size_t warps() const { return groups * segments; }
  REFUTE_HD Fp8Segment segment(std::size_t warp) const {
    const std::size_t group = warp / segments;
    const std::size_t first = warp % segments * kFp8Segment;
    const std::size_t last = first + kFp8Segment < length ? first + kFp8Segment : length;
    return {group, group * length + first, group * length + last};
  }
  /// Whether every segment begins at a multiple of four values, so that it can be read in vectors
  /// when the tensor itself is aligned.
  REFUTE_HD bool in_fours() const { return groups <= 1 || length % 4 == 0; }
};

}  // namespace refute::kernels::cuda
