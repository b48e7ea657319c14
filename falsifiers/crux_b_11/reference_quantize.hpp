#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/fp8.hpp"

namespace refute::falsifiers {

/// What quantising must give, from the definition and the oracle alone.
struct Quantized {
  std::vector<std::uint8_t> codes;
  std::vector<float> scales;
  std::vector<float> values;  ///< decoded and scaled back
};
/// `w` must be finite and match the layout.
Quantized reference_quantize(std::span<const float> w, const kernels::Fp8Layout& layout,
                             kernels::Fp8Mode mode);

/// One scale: largest magnitude over the format's largest value; 1 for zeros; at least the least
/// normal float.
float reference_scale(std::span<const float> group, kernels::Fp8Format format);

/// Half the distance between the codes around |x| (in the format's own units), for |x| up to the
/// largest value.
double half_step(double x, kernels::Fp8Format format);

/// Elements per scale.
std::size_t group_size(const kernels::Fp8Layout& layout);

}  // namespace refute::falsifiers
