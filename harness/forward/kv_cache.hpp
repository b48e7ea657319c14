#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "harness/forward/config.hpp"

namespace refute::forward {

/// Keys and values of every token so far, per layer as [kv_heads, capacity, head_dim].
class KvCache {
 public:
  KvCache(const DecoderConfig& config, std::size_t capacity);

  std::size_t capacity() const { return capacity_; }
  std::span<float> keys(std::uint32_t layer) { return part(2 * std::size_t{layer}); }
  std::span<float> values(std::uint32_t layer) { return part(2 * std::size_t{layer} + 1); }

  /// Puts rows of [kv_heads, head_dim] values, `stride` apart, at positions from `first` on. Doing
  /// it twice is doing it once, so that a stage can be run again.
  void put(std::span<float> into, std::size_t first, std::span<const float> rows,
           std::size_t stride) const;

 private:
  std::span<float> part(std::size_t index) {
    const std::size_t size = kv_heads_ * capacity_ * head_dim_;
    return std::span(values_).subspan(index * size, size);
  }

  std::size_t kv_heads_, head_dim_, capacity_;
  std::vector<float> values_;
};

}  // namespace refute::forward
