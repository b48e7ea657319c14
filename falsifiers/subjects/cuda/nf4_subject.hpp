#pragma once

#include <memory>

#include "harness/worker/context.hpp"
#include "harness/worker/subjects/nf4_subject.hpp"

namespace refute::falsifiers {

/// kernels/cuda behind the interface of every NF4 subject: dequantising and the GEMM. The rest is
/// declined as not served, because the device has no part in it.
std::unique_ptr<worker::Nf4Subject> make_nf4_cuda(worker::Context& context);

}  // namespace refute::falsifiers
