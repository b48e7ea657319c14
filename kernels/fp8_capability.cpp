#include "kernels/fp8.hpp"

namespace refute::kernels {

Fp8Capability fp8_capability(int sm) {
  if (sm <= 0) return {};
  return {.measured = true, .convert = true, .weight_only = sm >= 75, .native_gemm = sm >= 89};
}

Fp8Gate fp8_gate(int sm) {
  if (sm <= 0) return Fp8Gate::not_measured;
  return sm >= 90 ? Fp8Gate::capable : Fp8Gate::incapable;
}

}  // namespace refute::kernels
