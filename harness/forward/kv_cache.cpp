#include "harness/forward/kv_cache.hpp"

#include <algorithm>
#include <cassert>

namespace refute::forward {

KvCache::KvCache(const DecoderConfig& config, std::size_t capacity)
    : kv_heads_(config.kv_heads),
      head_dim_(config.head_dim),
      capacity_(capacity),
      values_(2 * config.layers * config.kv_width() * capacity) {}

void KvCache::put(std::span<float> into, std::size_t first, std::span<const float> rows,
                  std::size_t stride) const {
  const std::size_t width = kv_heads_ * head_dim_;
  const std::size_t tokens = rows.empty() ? 0 : (rows.size() - width) / stride + 1;
  assert(first + tokens <= capacity_);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t h = 0; h < kv_heads_; ++h) {
      const auto from = rows.subspan(t * stride + h * head_dim_, head_dim_);
      std::ranges::copy(from, &into[(h * capacity_ + first + t) * head_dim_]);
    }
  }
}

}  // namespace refute::forward
