#include "falsifiers/subjects/cuda/nf4_subject.hpp"

#include "falsifiers/subjects/cuda/device_gate.hpp"
#include "harness/worker/errors.hpp"
#include "kernels/cuda/nf4_cuda.hpp"

namespace refute::falsifiers {
namespace {

using namespace kernels;

[[noreturn]] void not_served(const char* what) {
  throw worker::SubjectDeclined(DeclineReason::not_served,
                                std::string(what) + " is done on the host, by the CPU subjects");
}

class Nf4Cuda : public worker::Nf4Subject {
 public:
  Nf4Result quantize(std::span<const float>, std::size_t, std::size_t, Nf4Decision,
                     std::span<std::uint8_t>, std::span<float>) override {
    not_served("quantising to NF4");
  }
  Nf4Result pack(std::span<const std::uint8_t>, std::span<const float>, std::size_t, std::size_t,
                 Nf4Layout, std::span<std::uint8_t>) override {
    not_served("packing");
  }
  Nf4Result unpack(std::span<const std::uint8_t>, std::size_t, std::size_t, Nf4Layout,
                   std::span<std::uint8_t>, std::span<float>) override {
    not_served("unpacking");
  }

  Nf4Result dequantize(std::span<const std::uint8_t> codes, std::span<const float> absmax,
                       std::size_t rows, std::size_t cols, std::span<float> out) override {
    const auto answer = cuda::nf4_dequantize(codes, absmax, rows, cols, out);
    demand(answer.cuda);
    return answer.value;
  }
  Nf4Result gemm(std::span<const float> a, std::span<const std::uint8_t> packed, std::size_t m,
                 std::size_t n, std::size_t k, Nf4Layout layout, std::span<float> c) override {
    const auto answer = cuda::nf4_gemm(a, packed, m, n, k, layout, c);
    demand(answer.cuda);
    return answer.value;
  }
};

}  // namespace

std::unique_ptr<worker::Nf4Subject> make_nf4_cuda(worker::Context& context) {
  require_cuda_device(context);
  return std::make_unique<Nf4Cuda>();
}

}  // namespace refute::falsifiers
