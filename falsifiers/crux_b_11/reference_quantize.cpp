#include "falsifiers/crux_b_11/reference_quantize.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "falsifiers/crux_b_11/support.hpp"

namespace refute::falsifiers {

using namespace kernels;

std::size_t group_size(const Fp8Layout& layout) {
  switch (layout.granularity) {
    case Fp8Granularity::tensor:
      return layout.size();
    case Fp8Granularity::channel:
      return layout.cols;
    case Fp8Granularity::block:
      return layout.block;
  }
  return 0;
}

float reference_scale(std::span<const float> group, Fp8Format format) {
  float largest = 0;
  for (float x : group) largest = std::max(largest, std::fabs(x));
  if (largest == 0) return 1.0f;
  return std::max(largest / fp8_max_finite(format), std::numeric_limits<float>::min());
}

Quantized reference_quantize(std::span<const float> w, const Fp8Layout& layout, Fp8Mode mode) {
  Quantized q{std::vector<std::uint8_t>(w.size()), std::vector<float>(layout.scale_count()),
              std::vector<float>(w.size())};
  const std::size_t group = group_size(layout);
  for (std::size_t g = 0; g < q.scales.size(); ++g) {
    const float scale = q.scales[g] = reference_scale(w.subspan(g * group, group), mode.format);
    for (std::size_t i = g * group; i < (g + 1) * group; ++i) {
      q.codes[i] = oracle_code(std::bit_cast<std::uint32_t>(w[i] / scale), mode);
      q.values[i] = oracle_value(q.codes[i], mode.format) * scale;
    }
  }
  return q;
}

double half_step(double x, Fp8Format format) {
  const int mantissa_bits = format == Fp8Format::e4m3 ? 3 : 2;
  const int least_exponent = format == Fp8Format::e4m3 ? -6 : -14;
  const int top_exponent = format == Fp8Format::e4m3 ? 8 : 15;
  const int exponent =
      x == 0 ? least_exponent : std::clamp(std::ilogb(x), least_exponent, top_exponent);
  return std::ldexp(1.0, exponent - mantissa_bits - 1);
}

}  // namespace refute::falsifiers
