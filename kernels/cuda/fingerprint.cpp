#include <cstdio>

#include "kernels/cuda/device.hpp"

namespace refute::kernels::cuda {

std::string NumericFingerprint::text() const {
  char line[80];
  std::snprintf(line, sizeof line, "fma %d, ftz %d, div %d, e4m3 %02x %02x, mma %d", contracts,
                flushes_subnormals, divides_exactly, e4m3_tie, e4m3_above, mma_fraction_bits);
  return line;
}

}  // namespace refute::kernels::cuda
