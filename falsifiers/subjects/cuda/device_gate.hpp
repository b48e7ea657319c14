#pragma once

#include "harness/worker/context.hpp"
#include "kernels/cuda/status.hpp"

namespace refute::falsifiers {

/// Before the first kernel: looks for the device and writes what it is, and what its arithmetic
/// does, into the outcome's environment, `architecture` among it. REFUTE_CUDA_SM_OVERRIDE lets it
/// count as an older one. Throws SubjectDeclined: no_device, also in a build without CUDA;
/// wrong_architecture; no_memory.
void require_cuda_device(worker::Context& context);

/// What a kernel's status means for the job: nothing when ok, SubjectDeclined where the device is
/// at fault, SubjectFailure (a crash of the subject) otherwise. After a sticky error nothing of
/// this process can be trusted, and the worker ends with it.
void demand(const kernels::cuda::CudaStatus& status);

}  // namespace refute::falsifiers
