#pragma once

// NF4 on the device: functions of kernels/nf4.hpp under the same names. Dequantising gives the same
// bits; the GEMM sums each element in order of k with fused multiply-adds, so its bits are its own.
// Spans as in fp8_cuda.hpp. Quantising and packing are done on the host.

#include <cstdint>
#include <span>

#include "kernels/cuda/status.hpp"
#include "kernels/nf4.hpp"

namespace refute::kernels::cuda {

CudaAnswer<Nf4Result> nf4_dequantize(std::span<const std::uint8_t> codes,
                                     std::span<const float> absmax, std::size_t rows,
                                     std::size_t cols, std::span<float> out);

/// The same straight from packed blocks, which is how weights lie in memory.
CudaAnswer<Nf4Result> nf4_dequantize_packed(std::span<const std::uint8_t> packed, std::size_t rows,
                                            std::size_t cols, Nf4Layout layout,
                                            std::span<float> out);

/// C[m,n] = A[m,k] · Q[n,k]ᵀ with Q in packed blocks along k, decoded in shared memory.
CudaAnswer<Nf4Result> nf4_gemm(std::span<const float> a, std::span<const std::uint8_t> packed,
                               std::size_t m, std::size_t n, std::size_t k, Nf4Layout layout,
                               std::span<float> c);

}  // namespace refute::kernels::cuda
