// What kernels/cuda is in a build without nvcc: every function says so, and computes nothing.

#include "kernels/cuda/attention_cuda.hpp"
#include "kernels/cuda/device.hpp"
#include "kernels/cuda/device_buffer.hpp"
#include "kernels/cuda/fp8_cuda.hpp"
#include "kernels/cuda/nf4_cuda.hpp"

namespace refute::kernels::cuda {
namespace {

CudaStatus not_built() {
  return {CudaError::not_built, false, "this build was made without nvcc and has no CUDA kernels"};
}

}  // namespace

#define REFUTE_ABSENT_NAIVE(T)                                                          \
  CudaAnswer<AttentionStatus> attention_naive(const AttentionCall&, std::span<const T>, \
                                              std::span<const T>, std::span<const T>,   \
                                              std::span<T>) {                           \
    return {not_built(), {}};                                                           \
  }
#define REFUTE_ABSENT_FLASH2(T)                                                          \
  CudaAnswer<AttentionStatus> attention_flash2(const AttentionCall&, std::span<const T>, \
                                               std::span<const T>, std::span<const T>,   \
                                               std::span<T>, Flash2Options) {            \
    return {not_built(), {}};                                                            \
  }
REFUTE_ABSENT_NAIVE(float)
REFUTE_ABSENT_NAIVE(F16)
REFUTE_ABSENT_NAIVE(Bf16)
REFUTE_ABSENT_FLASH2(F16)
REFUTE_ABSENT_FLASH2(Bf16)
#undef REFUTE_ABSENT_NAIVE
#undef REFUTE_ABSENT_FLASH2

CudaAnswer<Device> query_device(std::optional<int>) {
  return {not_built(), {}};
}
CudaAnswer<NumericFingerprint> numeric_fingerprint() {
  return {not_built(), {}};
}

DeviceBuffer::~DeviceBuffer() = default;
CudaStatus DeviceBuffer::take(std::size_t) {
  return not_built();
}
CudaStatus DeviceBuffer::upload(std::span<const std::byte>) {
  return not_built();
}
CudaStatus DeviceBuffer::copy_from(const DeviceBuffer&) const {
  return not_built();
}
CudaStatus DeviceBuffer::download(std::span<std::byte>) const {
  return not_built();
}
CudaAnswer<double> device_seconds(int, int, const std::function<CudaStatus(int)>&) {
  return {not_built(), 0};
}

CudaStatus fp8_encode(std::span<const float>, std::span<std::uint8_t>, Fp8Mode) {
  return not_built();
}
CudaStatus fp8_encode_f16(std::span<const std::uint16_t>, std::span<std::uint8_t>, Fp8Mode) {
  return not_built();
}
CudaStatus fp8_encode_bf16(std::span<const std::uint16_t>, std::span<std::uint8_t>, Fp8Mode) {
  return not_built();
}
CudaStatus fp8_encode_range(std::uint32_t, std::span<std::uint8_t>, Fp8Mode) {
  return not_built();
}
CudaStatus fp8_decode(std::span<const std::uint8_t>, std::span<float>, Fp8Format) {
  return not_built();
}
CudaAnswer<Fp8QuantizeResult> fp8_quantize(std::span<const float>, Fp8Layout, Fp8Mode,
                                           std::span<std::uint8_t>, std::span<float>) {
  return {not_built(), {}};
}
CudaAnswer<Fp8QuantizeResult> fp8_dequantize(std::span<const std::uint8_t>, std::span<const float>,
                                             Fp8Layout, Fp8Format, std::span<float>) {
  return {not_built(), {}};
}
CudaAnswer<std::optional<std::uint32_t>> fp8_differs_from_instruction(std::uint32_t,
                                                                      std::span<const std::uint8_t>,
                                                                      Fp8Format, bool) {
  return {not_built(), std::nullopt};
}

CudaAnswer<Nf4Result> nf4_dequantize(std::span<const std::uint8_t>, std::span<const float>,
                                     std::size_t, std::size_t, std::span<float>) {
  return {not_built(), {}};
}
CudaAnswer<Nf4Result> nf4_dequantize_packed(std::span<const std::uint8_t>, std::size_t, std::size_t,
                                            Nf4Layout, std::span<float>) {
  return {not_built(), {}};
}
CudaAnswer<Nf4Result> nf4_gemm(std::span<const float>, std::span<const std::uint8_t>, std::size_t,
                               std::size_t, std::size_t, Nf4Layout, std::span<float>) {
  return {not_built(), {}};
}

}  // namespace refute::kernels::cuda
