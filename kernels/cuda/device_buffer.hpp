#pragma once

// Device memory and device time for callers that include no CUDA header: benchmarks, above all.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "kernels/cuda/status.hpp"

namespace refute::kernels::cuda {

/// Memory on the device, given back at the end. Its spans may be handed to every kernel, and read
/// or written by nothing else.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer();

  /// Room for so many bytes, poisoned; what was held before is given back.
  CudaStatus take(std::size_t bytes);
  CudaStatus upload(std::span<const std::byte> host);     ///< takes room for it as well
  CudaStatus copy_from(const DeviceBuffer& other) const;  ///< of the same size
  CudaStatus download(std::span<std::byte> host) const;   ///< at most what it holds

  template <class T>
  std::span<T> as() const {
    return {static_cast<T*>(pointer_), bytes_ / sizeof(T)};
  }

 private:
  void* pointer_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Median device time of one call of `body`, in seconds, by events around each of `repeats` calls
/// after `warm_up` that are not timed. `body` gets the number of the call, to take another input
/// each time: one input over and over would be read from the cache.
CudaAnswer<double> device_seconds(int warm_up, int repeats,
                                  const std::function<CudaStatus(int)>& body);

}  // namespace refute::kernels::cuda
