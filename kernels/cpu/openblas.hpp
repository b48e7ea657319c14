#pragma once

#include "kernels/decoder.hpp"

namespace refute::kernels {

/// y = x Wᵀ by OpenBLAS, which has to be there.
void openblas_linear(const LinearShape& shape, const float* x, const float* weight, float* y);

}  // namespace refute::kernels
