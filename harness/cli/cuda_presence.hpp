#pragma once

#include "harness/instruments/parity.hpp"

namespace refute::cli {

/// Whether a GPU is there to be used, from what the driver lists in /proc and from
/// CUDA_VISIBLE_DEVICES, which hides devices when it is empty or -1. Makes no CUDA call: those
/// belong into workers.
instruments::CudaPresence find_cuda();

}  // namespace refute::cli
