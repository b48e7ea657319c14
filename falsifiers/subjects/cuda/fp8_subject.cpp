#include "falsifiers/subjects/cuda/fp8_subject.hpp"

#include "falsifiers/subjects/cuda/device_gate.hpp"
#include "kernels/cuda/fp8_cuda.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;

class Fp8Cuda : public worker::Fp8Subject {
 public:
  void encode(std::span<const float> in, std::span<std::uint8_t> out, Fp8Mode mode) override {
    demand(cuda::fp8_encode(in, out, mode));
  }
  void encode_f16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                  Fp8Mode mode) override {
    demand(cuda::fp8_encode_f16(in, out, mode));
  }
  void encode_bf16(std::span<const std::uint16_t> in, std::span<std::uint8_t> out,
                   Fp8Mode mode) override {
    demand(cuda::fp8_encode_bf16(in, out, mode));
  }
  void encode_range(std::uint32_t first, std::span<const float>, std::span<std::uint8_t> out,
                    Fp8Mode mode) override {
    demand(cuda::fp8_encode_range(first, out, mode));
  }
  void decode(std::span<const std::uint8_t> in, std::span<float> out, Fp8Format format) override {
    demand(cuda::fp8_decode(in, out, format));
  }
  Fp8QuantizeResult quantize(std::span<const float> w, Fp8Layout layout, Fp8Mode mode,
                             std::span<std::uint8_t> codes, std::span<float> scales) override {
    const auto answer = cuda::fp8_quantize(w, layout, mode, codes, scales);
    demand(answer.cuda);
    return answer.value;
  }
  Fp8QuantizeResult dequantize(std::span<const std::uint8_t> codes, std::span<const float> scales,
                               Fp8Layout layout, Fp8Format format, std::span<float> out) override {
    const auto answer = cuda::fp8_dequantize(codes, scales, layout, format, out);
    demand(answer.cuda);
    return answer.value;
  }
  std::size_t sweep_chunk() const override { return std::size_t{1} << 20; }
};

}  // namespace

std::unique_ptr<worker::Fp8Subject> make_fp8_cuda(worker::Context& context) {
  require_cuda_device(context);
  return std::make_unique<Fp8Cuda>();
}

}  // namespace refute::falsifiers
