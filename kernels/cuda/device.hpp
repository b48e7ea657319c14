#pragma once

// The device that kernels/cuda computes on: the first that CUDA_VISIBLE_DEVICES leaves visible.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "kernels/cuda/status.hpp"

namespace refute::kernels::cuda {

struct Device {
  std::string name;
  int sm = 0;           ///< compute capability as 10·major + minor, as it is or as it was lowered
  int measured_sm = 0;  ///< compute capability as the device reports it
  int driver = 0, runtime = 0;  ///< CUDA versions as 1000·major + 10·minor
  int processors = 0;           ///< multiprocessors
  std::size_t memory = 0;       ///< in bytes, all of it

  std::string architecture() const { return "sm_" + std::to_string(sm); }
};

/// The least compute capability that anything here is built for.
inline constexpr int kLeastSm = 80;

/// `sm_override` makes the device count as an older one, so that refusals can be tried out. It
/// never makes a device newer, nor one appear where there is none: what it simulates is a refusal.
/// wrong_architecture below kLeastSm.
CudaAnswer<Device> query_device(std::optional<int> sm_override);

/// What an override makes of a measured capability.
constexpr int effective_sm(int measured, std::optional<int> sm_override) {
  return sm_override && *sm_override < measured ? *sm_override : measured;
}

/// What the arithmetic of a device does, measured by a probe of well under a millisecond. Two
/// devices that differ here can differ in every result.
struct NumericFingerprint {
  bool contracts = false;           ///< a·b + c, as these kernels are built, rounds only once
  bool flushes_subnormals = false;  ///< half of the least normal float is zero
  bool divides_exactly = false;     ///< division of floats is rounded correctly, on a hard case
  std::uint8_t e4m3_tie = 0;        ///< the instruction's code of 1.0625, halfway; 0 without it
  std::uint8_t e4m3_above = 0;      ///< and of 1e6, far above the range
  int mma_fraction_bits = 0;        ///< finest 2^-n that a matrix instruction still adds to 1

  /// "fma 0, ftz 0, div 1, e4m3 38 7e, mma 24"
  std::string text() const;
  bool operator==(const NumericFingerprint&) const = default;
};
CudaAnswer<NumericFingerprint> numeric_fingerprint();

}  // namespace refute::kernels::cuda
