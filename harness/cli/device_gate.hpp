#pragma once

#include <optional>
#include <string>

#include "harness/instruments/parity.hpp"
#include "harness/model/exit_code.hpp"

namespace refute::cli {

/// Why a command does not run, said before anything is read or written.
struct DeviceRefusal {
  ExitCode code = ExitCode::usage;
  std::string message;
};

/// What `quantize --device cuda` answers. There is no quantiser for CUDA in this program, so it
/// always refuses: where the device could not hold FP8 in its own arithmetic, as something that the
/// device cannot do (exit 2); else as declined (exit 5). `sm_override` is the value of
/// REFUTE_CUDA_SM_OVERRIDE, 10·major + minor, or null: then no capability was measured.
DeviceRefusal cuda_refusal(bool fp8, const std::string& format, const char* sm_override,
                           const instruments::CudaPresence& cuda);

}  // namespace refute::cli
