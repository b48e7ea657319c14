#pragma once

// Whether stored codes are what a quantiser would have stored. Error norms over a tensor do not see
// one flipped nibble, nor does a block's largest possible error; that a code has to be the one
// nearest to its value does.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "harness/tensor/model_file.hpp"

namespace refute::instruments {

/// One element that is not as it should be.
struct CodeFault {
  std::size_t index = 0;               ///< in the tensor, row-major
  std::size_t block = 0, element = 0;  ///< the block, and which of its values
  float reference = 0, value = 0;
  float error = 0, limit = 0;  ///< |reference − value|, and what it may be
};

/// Of values x and what is stored for them.
struct StoredSums {
  double d2 = 0, xy = 0, y2 = 0;
  void add(const StoredSums& other) { d2 += other.d2, xy += other.xy, y2 += other.y2; }
  /// The best factor on what is stored; below 1 where that is too loud.
  double level() const { return y2 > 0 ? xy / y2 : 1; }
};

struct CodeCheck {
  std::uint64_t blocks = 0;  ///< that were looked at; 0: this pair of types has no such check
  std::uint64_t elements = 0;
  std::uint64_t over_bound = 0;  ///< beyond the bound: blocks (FP8, F16, BF16: values)
  std::optional<CodeFault> worst_over_bound = {};  ///< the one furthest beyond, the first of equals
  std::uint64_t not_nearest = 0;                   ///< elements whose code is not the nearest one
  std::uint64_t blocks_not_nearest = 0;            ///< blocks with such elements; not FP8's
  std::optional<CodeFault> worst_not_nearest = {};
  std::uint64_t requantised = 0;  ///< blocks that were quantised again, by ggml's reference way
  std::uint64_t differing = 0;    ///< of these, blocks worth something else than stored, ties aside
  std::uint64_t other_scales = 0;  ///< of these, blocks with another scale than the reference's
  std::uint64_t refitted = 0;  ///< of these, blocks whose codes were chosen under a scale nearby
  /// Of these, blocks beyond the bound of the reference's scale whose codes are right under their
  /// own: a scale that was searched for may clip, or be a little coarser.
  std::uint64_t over_by_choice = 0;
  std::optional<CodeFault> worst_over_by_choice = {};
  StoredSums stored = {},
             again = {};  ///< of other_scales: as they are, and as the reference has them
  std::optional<CodeFault> worst_differing = {};  ///< limit: how far off the requantised value is

  /// Takes in what was found in later blocks.
  void add(const CodeCheck& later);
};

/// Whether check_codes has anything to say: the reference holds plain floats, the other side is
/// quantised.
bool has_code_check(const tensor::ModelTensor& reference, const tensor::ModelTensor& other);

/// x: values first … of the reference; y: the other side's, dequantised. `first` begins a block.
///   Bound. Block formats: kernels::ggml_block_bound. FP8: 2^-4·|x| (E5M2: 2^-3) and half a
///   subnormal step; NF4: half of the table's widest gap, times the block's largest |x|.
///   Requantised. Q4_0 … Q8_0, IQ4_NL, MXFP4, F16, BF16, and the K formats if the check is to be
///   thorough, which takes several times as long: whether ggml's reference quantiser gives the same
///   values, either side of a tie being right. Other quantisers may choose otherwise: it says
///   something where most blocks agree.
///   Nearest. Under the stored scale a value lies within half a step of its code, but for
///   codes at an end of the range, plus what rounding the scale to binary16 moved where the format
///   chooses codes before that (Q4_0 … Q8_0). Not for double-quantised NF4. Where the scale of a
///   block is not the reference's, codes that are all nearest under one scale nearby are right.
CodeCheck check_codes(const tensor::ModelTensor& other, std::size_t first, std::span<const float> x,
                      std::span<const float> y, bool thorough = false);

/// Whether blocks of this type are quantised again only by a thorough check: a scale that is off by
/// so little that every code is still the nearest one cannot be seen without that.
bool wants_thorough_check(const tensor::TensorType& type);

}  // namespace refute::instruments
