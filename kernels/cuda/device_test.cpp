#include "kernels/cuda/device.hpp"

#include <cstdlib>
#include <vector>

#include "harness/catch.hpp"
#include "kernels/cuda/attention_cuda.hpp"
#include "kernels/cuda/fp8_cuda.hpp"
#include "kernels/cuda/nf4_cuda.hpp"

using namespace refute::kernels;
using cuda::CudaError;

TEST_CASE("an override lowers a device and never raises it") {
  CHECK(cuda::effective_sm(90, std::nullopt) == 90);
  CHECK(cuda::effective_sm(90, 80) == 80);
  CHECK(cuda::effective_sm(80, 90) == 80);
  CHECK(cuda::effective_sm(90, 0) == 0);
}

TEST_CASE("without a visible device nothing is computed, and the reason is a value") {
  // Before the runtime looks for the first time; it looks only once.
  REQUIRE(::setenv("CUDA_VISIBLE_DEVICES", "", 1) == 0);
  const auto absent = [](const cuda::CudaStatus& status) {
    return status.error == CudaError::no_device || status.error == CudaError::not_built;
  };
  const auto device = cuda::query_device(std::nullopt);
  INFO(device.cuda.message);
  CHECK(absent(device.cuda));
  CHECK_FALSE(device.cuda.message.empty());
  CHECK(absent(cuda::query_device(90).cuda));  // an override makes no device appear
  CHECK(absent(cuda::numeric_fingerprint().cuda));

  const std::vector<float> w(4, 1.0f);
  std::vector<std::uint8_t> codes(4, 0xEE);
  std::vector<float> scales(1, -1.0f);
  CHECK(absent(cuda::fp8_encode(w, codes, {})));
  CHECK(absent(cuda::fp8_quantize(w, {.rows = 1, .cols = 4}, {}, codes, scales).cuda));
  CHECK(absent(cuda::fp8_differs_from_instruction(0, codes, Fp8Format::e4m3, false).cuda));
  CHECK(codes == std::vector<std::uint8_t>(4, 0xEE));
  CHECK(scales[0] == -1.0f);
  const std::vector<std::uint8_t> packed(kNf4BlockBytes, 0);
  std::vector<float> c(1, -1.0f);
  const std::vector<float> a(kNf4Block, 1.0f);
  CHECK(absent(cuda::nf4_gemm(a, packed, 1, 1, kNf4Block, Nf4Layout::first_low, c).cuda));
  CHECK(c[0] == -1.0f);
  const std::vector<F16> x(64);
  std::vector<F16> out(64, F16{0x1234});
  AttentionCall call;
  call.shape = {1, 1, 1, 1, 1, 64};
  call.probabilities = AttentionProbabilities::round_to_storage;
  CHECK(absent(cuda::attention_flash2(call, x, x, x, out).cuda));
  CHECK(absent(cuda::attention_naive(call, x, x, x, out).cuda));
  CHECK(out == std::vector<F16>(64, F16{0x1234}));
}
