#pragma once

// Turns stretches of one tensor's values into stored codes and scales.

#include <cstddef>
#include <functional>
#include <optional>
#include <span>

#include "harness/instruments/batches.hpp"
#include "harness/instruments/quantize_target.hpp"

namespace refute::instruments {

struct Encoder {
  std::size_t step;              ///< values per call; the tensor's end may come earlier
  std::size_t block_values = 1;  ///< this many values take …
  std::size_t block_bytes = 1;   ///< … this many bytes of codes
  std::size_t scale_values = 0;  ///< this many values share one F32 scale; 0: none are stored here
  /// Gives the index of the first value that is NaN or infinite, if there is one; nothing written
  /// then means anything.
  std::function<std::optional<std::size_t>(std::span<const float> in, std::span<std::byte> codes,
                                           std::span<std::byte> scales, Scratch& scratch)>
      encode;

  std::size_t code_bytes(std::size_t values) const { return values / block_values * block_bytes; }
  std::size_t scale_bytes(std::size_t values) const {
    return scale_values == 0 ? 0 : values / scale_values * 4;
  }
};

/// For a tensor that is to be quantised. FP8 with one scale per tensor needs that scale, from
/// fp8_tensor_scale.
Encoder make_encoder(const tensor::ModelTensor& tensor, const QuantizeOptions& options,
                     float fp8_scale);

/// The scale of a whole tensor whose largest magnitude this is: as kernels::fp8_quantize takes it.
float fp8_tensor_scale(kernels::Fp8Format format, float absmax);

/// The largest magnitude among values of which the first that is not finite is named, if any is.
struct AbsMax {
  float value = 0;
  std::optional<std::size_t> non_finite;
};
AbsMax absmax_of(std::span<const float> values);

}  // namespace refute::instruments
