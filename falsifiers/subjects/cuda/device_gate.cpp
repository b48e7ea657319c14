#include "falsifiers/subjects/cuda/device_gate.hpp"

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "harness/worker/errors.hpp"
#include "kernels/cuda/device.hpp"

namespace refute::falsifiers {
namespace {

using kernels::cuda::CudaError;
using kernels::cuda::CudaStatus;
using worker::SubjectDeclined;
using worker::SubjectFailure;

/// The one place that reads it. What is no number is a mistake, and never no override.
std::optional<int> sm_override() {
  const char* text = std::getenv("REFUTE_CUDA_SM_OVERRIDE");
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string_view word(text);
  int sm = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), sm);
  if (error != std::errc() || end != word.data() + word.size() || sm < 0) {
    throw worker::JobError(
        "REFUTE_CUDA_SM_OVERRIDE has to be a compute capability as 10·major + "
        "minor, such as 80; it is `" +
        std::string(word) + "`");
  }
  return sm;
}

}  // namespace

void demand(const CudaStatus& status) {
  switch (status.error) {
    case CudaError::ok:
      return;
    case CudaError::not_built:
    case CudaError::no_device:
      throw SubjectDeclined(DeclineReason::no_device, status.message);
    case CudaError::wrong_architecture:
      throw SubjectDeclined(DeclineReason::wrong_architecture, status.message);
    case CudaError::unsupported:
      throw SubjectDeclined(DeclineReason::not_served, status.message);
    case CudaError::out_of_memory:
      throw SubjectDeclined(DeclineReason::no_memory, status.message);
    case CudaError::wrote_out_of_bounds:
      throw SubjectFailure(status.message);
    case CudaError::failed:
      throw SubjectFailure(status.message +
                           (status.sticky ? "; the device context is lost with it" : ""));
  }
}

void require_cuda_device(worker::Context& context) {
  const auto device = kernels::cuda::query_device(sm_override());
  demand(device.cuda);
  const auto fingerprint = kernels::cuda::numeric_fingerprint();
  demand(fingerprint.cuda);
  context.environment("architecture", device.value.architecture());
  context.environment("device", device.value.name);
  context.environment("measured_sm", device.value.measured_sm);
  context.environment("driver", device.value.driver);
  context.environment("runtime", device.value.runtime);
  context.environment("device_memory_mib", static_cast<std::uint64_t>(device.value.memory >> 20));
  context.environment("arithmetic", fingerprint.value.text());
}

}  // namespace refute::falsifiers
