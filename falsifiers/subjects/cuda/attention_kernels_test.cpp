#include "falsifiers/subjects/cuda/attention_kernels.hpp"

#include <cstdlib>
#include <vector>

#include "harness/catch.hpp"

using namespace refute;
using namespace refute::kernels;

namespace {

template <class T>
using Body = AttentionStatus (*)(const AttentionCall&, std::span<const T>, std::span<const T>,
                                 std::span<const T>, std::span<T>);

template <class T>
std::optional<DeclineReason> declined(Body<T> body) {
  AttentionCall call;
  call.shape = {1, 1, 1, 1, 1, 64};
  call.probabilities = AttentionProbabilities::round_to_storage;
  const std::vector<T> x(64);
  std::vector<T> out(64);
  try {
    body(call, x, x, x, out);
  } catch (const worker::SubjectDeclined& e) {
    return e.reason;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("the device's attention has the CPU's signatures, and declines without a device") {
  REQUIRE(::setenv("CUDA_VISIBLE_DEVICES", "", 1) == 0);
  namespace where = falsifiers::cuda_attention;
  CHECK(declined<float>(where::attention_naive<float>) == DeclineReason::no_device);
  CHECK(declined<F16>(where::attention_flash2<F16>) == DeclineReason::no_device);
  CHECK(declined<Bf16>(where::attention_flash2<Bf16>) == DeclineReason::no_device);
  CHECK(declined<float>(where::attention_flash2<float>) == DeclineReason::not_served);
}
