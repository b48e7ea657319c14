#pragma once

#include <span>

#include "harness/forward/execution_path.hpp"
#include "kernels/decoder.hpp"

namespace refute::forward {

/// flash2 from kernels/attention.hpp on tensors as a forward pass has them (kernels::CausalShape).
void flash2_stage(const kernels::CausalShape& shape, const ExecutionPath& path,
                  std::span<const float> q, std::span<const float> k, std::span<const float> v,
                  std::span<float> out);

}  // namespace refute::forward
