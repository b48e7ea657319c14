#pragma once

#include <memory>

#include "harness/worker/context.hpp"
#include "harness/worker/subjects/fp8_subject.hpp"

namespace refute::falsifiers {

/// kernels/cuda behind the interface of every FP8 subject. Throws as device_gate.hpp says, when it
/// is made and in every call.
std::unique_ptr<worker::Fp8Subject> make_fp8_cuda(worker::Context& context);

}  // namespace refute::falsifiers
