#pragma once

// How kernels that work through a long array are launched.

#include <cstddef>
#include <cstdint>

namespace refute::kernels::cuda {

inline constexpr unsigned kThreads = 256, kWarp = 32, kWarpsPerBlock = kThreads / kWarp;

/// Enough blocks to fill any device a few times over; kernels stride over the rest.
inline unsigned blocks_for(std::size_t items, std::size_t per_block) {
  constexpr std::size_t kMost = 1u << 16;
  const std::size_t blocks = (items + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < kMost ? blocks : kMost);
}

template <class T>
inline bool aligned16(const T* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
}

}  // namespace refute::kernels::cuda
