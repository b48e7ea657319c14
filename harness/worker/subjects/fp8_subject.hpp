#pragma once

#include <cstdint>
#include <span>

#include "harness/worker/sweep.hpp"
#include "kernels/fp8.hpp"

namespace refute::worker {

/// An FP8 implementation under test: one of ours, a mutant, or somebody's server behind a pipe.
/// Meanings and errors as in kernels/fp8.hpp. In-process ones may be called from several threads at
/// once.
class Fp8Subject {
 public:
  virtual ~Fp8Subject() = default;

  virtual void encode(std::span<const float> in, std::span<std::uint8_t> out,
                      kernels::Fp8Mode mode) = 0;
  virtual void encode_f16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                          kernels::Fp8Mode mode) = 0;
  virtual void encode_bf16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                           kernels::Fp8Mode mode) = 0;
  virtual void decode(std::span<const std::uint8_t> in, std::span<float> out,
                      kernels::Fp8Format format) = 0;
  virtual kernels::Fp8QuantizeResult quantize(std::span<const float> w, kernels::Fp8Layout layout,
                                              kernels::Fp8Mode mode, std::span<std::uint8_t> codes,
                                              std::span<float> scales) = 0;
  virtual kernels::Fp8QuantizeResult dequantize(std::span<const std::uint8_t> codes,
                                                std::span<const float> scales,
                                                kernels::Fp8Layout layout,
                                                kernels::Fp8Format format,
                                                std::span<float> out) = 0;

  /// The codes of the f32 bit patterns first, first + 1, …: what a sweep asks for. `in` holds these
  /// patterns; a server that can count needs only `first`.
  virtual void encode_range(std::uint32_t first, std::span<const float> in,
                            std::span<std::uint8_t> out, kernels::Fp8Mode mode) {
    static_cast<void>(first);
    encode(in, out, mode);
  }

  /// How many patterns a sweep had better ask for at once: few where a call is cheap, many where
  /// each crosses a bus.
  virtual std::size_t sweep_chunk() const { return kSweepChunk; }
};

}  // namespace refute::worker
