#include <cuda_fp8.h>

#include "kernels/cuda/device.hpp"
#include "kernels/cuda/fp8_codec.hpp"
#include "kernels/cuda/memory.cuh"

namespace refute::kernels::cuda {
namespace {

/// As the kernel writes it; all of one size, so that host and device agree on where each lies.
struct Probe {
  std::uint32_t product_sum, half_of_least, quotient, e4m3_tie, e4m3_above, mma_bits;
};

/// D = A·B + C on one 16x8 tile, A and B in f16, sums in f32 (PTX ISA, mma.m16n8k16). Gives the
/// first element of this lane's part.
__device__ float mma_first(std::uint32_t a, std::uint32_t b, float c) {
  float d[4] = {c, c, c, c};
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%4,%4,%4}, {%5,%5}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a), "r"(b));
  return d[0];
}

/// Two f16 of 2^-exponent in one register; exponent in 1 … 14.
__device__ std::uint32_t pair_of_powers(int exponent) {
  const auto half = static_cast<std::uint32_t>(15 - exponent) << 10;
  return half | half << 16;
}

/// The finest n for which sixteen products of 2^-n still change a sum that starts at 1. What is
/// below the unit's alignment is cut off before it is added.
__device__ std::uint32_t finest_fraction() {
  std::uint32_t finest = 0;
  for (int n = 16; n <= 28; ++n) {
    const float sum = mma_first(pair_of_powers(n / 2), pair_of_powers(n - n / 2), 1.0f);
    if (sum != 1.0f) finest = static_cast<std::uint32_t>(n);
  }
  return finest;
}

/// `x` holds values that the compiler must not know: 1 + 2^-12, -(1 + 2^-11), the least normal, 1,
/// 3, 1.0625, 1e6.
__global__ void probe_kernel(const float* x, Probe* out) {
  const std::uint32_t finest = finest_fraction();
  if (threadIdx.x != 0) return;
  out->product_sum = float_bits(x[0] * x[0] + x[1]);
  out->half_of_least = float_bits(x[2] * 0.5f);
  out->quotient = float_bits(x[3] / x[4]);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  out->e4m3_tie = __nv_cvt_float_to_fp8(x[5], __NV_SATFINITE, __NV_E4M3);
  out->e4m3_above = __nv_cvt_float_to_fp8(x[6], __NV_SATFINITE, __NV_E4M3);
#else
  out->e4m3_tie = out->e4m3_above = 0;
#endif
  out->mma_bits = finest;
}

NumericFingerprint fingerprint_of(const Probe& p) {
  NumericFingerprint f;
  f.contracts = bits_float(p.product_sum) != 0.0f;  // 2^-24 is what a product of its own loses
  f.flushes_subnormals = p.half_of_least == 0;
  f.divides_exactly = p.quotient == float_bits(1.0f / 3.0f);
  f.e4m3_tie = static_cast<std::uint8_t>(p.e4m3_tie);
  f.e4m3_above = static_cast<std::uint8_t>(p.e4m3_above);
  f.mma_fraction_bits = static_cast<int>(p.mma_bits);
  return f;
}

/// Freed memory stays with the process instead of going back at every synchronisation. A device
/// without pools does without.
void keep_freed_memory(int id) {
  cudaMemPool_t pool;
  std::uint64_t everything = ~std::uint64_t{0};
  if (cudaDeviceGetDefaultMemPool(&pool, id) == cudaSuccess)
    cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &everything);
  cudaGetLastError();
}

}  // namespace

CudaAnswer<Device> query_device(std::optional<int> sm_override) {
  int count = 0, id = 0;
  cudaDeviceProp properties{};
  Device device;
  const CudaStatus status = first_failure(
      [&] { return status_of(cudaGetDeviceCount(&count), "looking for a device"); },
      [&] {
        return count > 0 ? CudaStatus{}
                         : CudaStatus{CudaError::no_device, false, "no device is visible"};
      },
      [&] { return status_of(cudaGetDevice(&id), "choosing a device"); },
      [&] { return status_of(cudaGetDeviceProperties(&properties, id), "asking the device"); },
      [&] { return status_of(cudaDriverGetVersion(&device.driver), "asking the driver"); },
      [&] { return status_of(cudaRuntimeGetVersion(&device.runtime), "asking the runtime"); });
  if (!status.ok()) return {status, {}};
  device.name = properties.name;
  device.measured_sm = 10 * properties.major + properties.minor;
  device.sm = effective_sm(device.measured_sm, sm_override);
  device.processors = properties.multiProcessorCount;
  device.memory = properties.totalGlobalMem;
  if (device.sm < kLeastSm) {
    return {{CudaError::wrong_architecture, false,
             device.name + " counts as " + device.architecture() + ", and the kernels need sm_" +
                 std::to_string(kLeastSm)},
            device};
  }
  keep_freed_memory(id);
  return {{}, device};
}

CudaAnswer<NumericFingerprint> numeric_fingerprint() {
  const float values[] = {1.0f + 0x1p-12f, -(1.0f + 0x1p-11f), 0x1p-126f, 1.0f, 3.0f, 1.0625f,
                          1.0e6f};
  Probe probe{};
  Staged<float> in;
  Staged<Probe> out;
  const CudaStatus status = first_failure([&] { return in.input(values); },
                                          [&] {
                                            return out.output({&probe, 1});
                                          },
                                          [&] {
                                            probe_kernel<<<1, 32>>>(in.data(), out.data());
                                            return finished("numeric_fingerprint");
                                          },
                                          [&] { return out.fetch("probe"); });
  if (!status.ok()) return {status, {}};
  return {{}, fingerprint_of(probe)};
}

}  // namespace refute::kernels::cuda
