#pragma once

// Memory for the kernels: RAII over the runtime, the one place where its errors become values, and
// buffers that stand in for host memory with guard bands around them.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <cuda_runtime.h>

#include "kernels/cuda/status.hpp"

namespace refute::kernels::cuda {

/// The runtime's errors in our words. `what` says what was being done.
inline CudaStatus status_of(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return {};
  CudaStatus status{
      CudaError::failed, false,
      std::string(what) + ": " + cudaGetErrorName(code) + ", " + cudaGetErrorString(code)};
  switch (code) {
    case cudaErrorInsufficientDriver:
      status.message = "there is no NVIDIA driver, or one older than this build's CUDA runtime";
      status.error = CudaError::no_device;
      break;
    case cudaErrorNoDevice:
    case cudaErrorInitializationError:
    case cudaErrorSystemNotReady:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorDevicesUnavailable:
    case cudaErrorStubLibrary:
      status.error = CudaError::no_device;
      break;
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorInvalidDeviceFunction:
      status.error = CudaError::wrong_architecture;
      break;
    case cudaErrorMemoryAllocation:
      status.error = CudaError::out_of_memory;
      break;
    default:
      // A context that is lost answers everything with its error; one that lives, with success.
      cudaGetLastError();
      status.sticky = cudaDeviceSynchronize() != cudaSuccess;
      return status;
  }
  cudaGetLastError();  // an error that is no context's end stays behind otherwise, for the next
                       // call
  return status;
}

/// After a launch: what the launch itself and what ran before it say.
inline CudaStatus launched(const char* kernel) {
  return status_of(cudaGetLastError(), kernel);
}
inline CudaStatus finished(const char* kernel) {
  if (auto status = launched(kernel); !status.ok()) return status;
  return status_of(cudaDeviceSynchronize(), kernel);
}

inline bool on_device(const void* pointer) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, pointer) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
}

/// Device memory that gives itself back. From the device's pool where it has one: a sweep allocates
/// thousands of times, and cudaFree waits for everything each time.
class Allocation {
 public:
  Allocation() = default;
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;
  ~Allocation() {
    if (pointer_ == nullptr) return;
    pooled_ ? cudaFreeAsync(pointer_, nullptr) : cudaFree(pointer_);
  }
  CudaStatus take(std::size_t bytes) {
    void* taken = nullptr;
    cudaError_t code = cudaMallocAsync(&taken, bytes, nullptr);
    pooled_ = code != cudaErrorNotSupported;
    if (!pooled_) {
      cudaGetLastError();
      code = cudaMalloc(&taken, bytes);
    }
    if (code == cudaSuccess) pointer_ = taken;
    return status_of(code, "allocating device memory");
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(pointer_);
  }

 private:
  void* pointer_ = nullptr;
  bool pooled_ = false;
};

/// A span as the kernel sees it. Device memory is used where it lies; host memory is copied into a
/// buffer of its own, with bands on both sides that no kernel may touch.
template <class T>
class Staged {
 public:
  static constexpr std::size_t kBand = 256;
  static constexpr int kBandByte = 0xC3, kPoisonByte = 0xA5;

  /// An input: copied in, and compared by `check` with what it was.
  CudaStatus input(std::span<const T> host) {
    host_in_ = host;
    if (auto status = place(host.data(), host.size_bytes()); !status.ok() || !staged_)
      return status;
    return status_of(cudaMemcpy(pointer_, host.data(), host.size_bytes(), cudaMemcpyHostToDevice),
                     "copying to the device");
  }

  /// An output: poisoned, so that what a kernel leaves out does not look written.
  CudaStatus output(std::span<T> host) {
    host_out_ = host;
    if (auto status = place(host.data(), host.size_bytes()); !status.ok() || !staged_)
      return status;
    return status_of(cudaMemset(pointer_, kPoisonByte, host.size_bytes()), "poisoning an output");
  }

  T* data() const { return pointer_; }

  /// After the kernel: the bands are whole and an input is what it was.
  CudaStatus check(const char* name) const {
    std::vector<std::uint8_t> now;
    return staged_ ? look(name, now) : CudaStatus{};
  }

  /// An output of which nothing may have been written: still poison, all of it.
  CudaStatus untouched(const char* name) const {
    if (!staged_) return {};
    std::vector<std::uint8_t> now;
    if (auto status = look(name, now); !status.ok()) return status;
    for (std::size_t i = 0; i < bytes_; ++i) {
      if (now[kBand + i] != kPoisonByte) return stray(name, "into the refused output");
    }
    return {};
  }

  /// Copies an output back to where it was asked for, if it is whole.
  CudaStatus fetch(const char* name) const {
    if (!staged_) return {};
    std::vector<std::uint8_t> now;
    if (auto status = look(name, now); !status.ok()) return status;
    if (bytes_ > 0) std::memcpy(host_out_.data(), &now[kBand], bytes_);
    return {};
  }

 private:
  CudaStatus place(const void* host, std::size_t bytes) {
    bytes_ = bytes;
    if (on_device(host)) {
      pointer_ = const_cast<T*>(static_cast<const T*>(host));
      return {};
    }
    staged_ = true;
    if (auto status = memory_.take(bytes + 2 * kBand); !status.ok()) return status;
    pointer_ = reinterpret_cast<T*>(memory_.template as<std::uint8_t>() + kBand);
    return status_of(cudaMemset(memory_.template as<std::uint8_t>(), kBandByte, bytes + 2 * kBand),
                     "setting guard bands");
  }
  /// The buffer with its bands, as it is now, and whether anything is wrong with it.
  CudaStatus look(const char* name, std::vector<std::uint8_t>& now) const {
    now.resize(bytes_ + 2 * kBand);
    if (auto status = status_of(cudaMemcpy(now.data(), memory_.template as<std::uint8_t>(),
                                           now.size(), cudaMemcpyDeviceToHost),
                                "copying from the device");
        !status.ok()) {
      return status;
    }
    for (std::size_t i = 0; i < kBand; ++i) {
      if (now[i] != kBandByte || now[kBand + bytes_ + i] != kBandByte) return stray(name, "beside");
    }
    if (!host_in_.empty() && std::memcmp(&now[kBand], host_in_.data(), bytes_) != 0)
      return stray(name, "into the input");
    return {};
  }
  static CudaStatus stray(const char* name, const char* where) {
    return {CudaError::wrote_out_of_bounds, false,
            std::string("a kernel wrote ") + where + " `" + name + "`"};
  }

  Allocation memory_;
  std::span<const T> host_in_;
  std::span<T> host_out_;
  T* pointer_ = nullptr;
  std::size_t bytes_ = 0;
  bool staged_ = false;
};

/// The first of these that is not ok; the rest are not tried.
template <class First, class... Rest>
CudaStatus first_failure(First first, Rest... rest) {
  CudaStatus status = first();
  if constexpr (sizeof...(Rest) > 0) {
    if (status.ok()) return first_failure(rest...);
  }
  return status;
}

}  // namespace refute::kernels::cuda
