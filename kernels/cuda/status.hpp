#pragma once

// How a call to the device went. Everything under kernels/cuda answers with one of these; nothing
// throws, and no error of the CUDA runtime is swallowed.

#include <cstdint>
#include <string>

namespace refute::kernels::cuda {

enum class CudaError : std::uint8_t {
  ok,
  not_built,            ///< this build was made without nvcc, so there are no kernels in it
  no_device,            ///< no driver, a driver too old for the runtime, or no visible device
  wrong_architecture,   ///< the device is older than the kernel's instructions
  unsupported,          ///< the call asks for what this kernel does not do
  out_of_memory,        ///< of the device; nothing was computed
  wrote_out_of_bounds,  ///< a kernel wrote beside a buffer, or into an input
  failed,               ///< anything else; where `sticky`, the process must end
};

struct CudaStatus {
  CudaError error = CudaError::ok;
  bool sticky = false;  ///< the context is lost: every later call of this process fails as well
  std::string message;  ///< what failed, in the runtime's words; empty when ok

  bool ok() const { return error == CudaError::ok; }
};

/// A value of the algorithm's own kind, which means something only if the device did its part.
template <class T>
struct CudaAnswer {
  CudaStatus cuda;
  T value{};
};

}  // namespace refute::kernels::cuda
