#pragma once

// Stored elements as f32. Every f16 and bf16 value has an exact f32, so nothing is rounded here.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "harness/tensor/dtype.hpp"

namespace refute::tensor {

/// Values to read: either those in the file itself or a widened copy.
class FloatView {
 public:
  explicit FloatView(std::span<const float> in_place) : values_(in_place) {}
  explicit FloatView(std::vector<float> copy) : copy_(std::move(copy)), values_(copy_) {}

  FloatView(FloatView&&) noexcept = default;
  FloatView& operator=(FloatView&&) noexcept = default;

  std::span<const float> values() const { return values_; }
  bool in_place() const { return copy_.empty(); }

 private:
  std::vector<float> copy_;  // a moved vector keeps its buffer, so values_ stays right
  std::span<const float> values_;
};

/// Little-endian elements as f32: F32 in place if aligned, F16 and BF16 widened (NaN payloads kept
/// in the high bits); none for any other dtype, because it would not be exact or is not a float.
std::optional<FloatView> as_floats(std::span<const std::byte> bytes, DType dtype);

}  // namespace refute::tensor
