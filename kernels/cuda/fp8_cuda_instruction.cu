// Codes against the device's own conversion instruction. Built from sm_89 on, which has it.

#include <cuda_fp8.h>

#include "kernels/cuda/fp8_codec.hpp"
#include "kernels/cuda/fp8_cuda.hpp"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/memory.cuh"

namespace refute::kernels::cuda {
namespace {

constexpr unsigned long long kNone = ~0ull;

__device__ bool same_code(std::uint8_t ours, std::uint8_t instruction, std::uint32_t pattern) {
  const bool nan = (pattern & 0x7FFFFFFFu) > 0x7F800000u;
  return nan ? (ours & 0x7F) == 0x7F && (instruction & 0x7F) == 0x7F : ours == instruction;
}

template <__nv_fp8_interpretation_t kFormat>
__global__ void __launch_bounds__(kThreads)
    compare_kernel(std::uint32_t first, const std::uint8_t* codes, std::size_t n, bool negated,
                   unsigned long long* least) {
  unsigned long long mine = kNone;
  for (std::size_t i = std::size_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += std::size_t{gridDim.x} * kThreads) {
    const std::uint32_t pattern = first + static_cast<std::uint32_t>(i);
    const std::uint8_t code = __nv_cvt_float_to_fp8(bits_float(pattern), __NV_SATFINITE, kFormat);
    if (same_code(codes[i], code, pattern) == negated) {
      mine = min(mine, static_cast<unsigned long long>(pattern));
    }
  }
  if (mine != kNone) atomicMin(least, mine);
}

}  // namespace

CudaAnswer<std::optional<std::uint32_t>> fp8_differs_from_instruction(
    std::uint32_t first, std::span<const std::uint8_t> codes, Fp8Format format, bool negated) {
  if (codes.empty()) return {};
  Staged<std::uint8_t> in;
  Allocation least;
  unsigned long long found = kNone;
  const auto launch = [&] {
    const unsigned blocks = blocks_for(codes.size(), kThreads * 16);
    auto* at = least.as<unsigned long long>();
    if (format == Fp8Format::e4m3) {
      compare_kernel<__NV_E4M3><<<blocks, kThreads>>>(first, in.data(), codes.size(), negated, at);
    } else {
      compare_kernel<__NV_E5M2><<<blocks, kThreads>>>(first, in.data(), codes.size(), negated, at);
    }
    return finished("fp8_differs_from_instruction");
  };
  const CudaStatus status = first_failure(
      [&] { return in.input(codes); }, [&] { return least.take(sizeof found); },
      [&] {
        return status_of(cudaMemcpy(least.as<void>(), &found, sizeof found, cudaMemcpyHostToDevice),
                         "clearing the least pattern");
      },
      launch,
      [&] {
        return status_of(cudaMemcpy(&found, least.as<void>(), sizeof found, cudaMemcpyDeviceToHost),
                         "reading the least pattern");
      });
  if (!status.ok() || found == kNone) return {status, std::nullopt};
  return {status, static_cast<std::uint32_t>(found)};
}

}  // namespace refute::kernels::cuda
