#include "harness/cli/cuda_presence.hpp"

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace refute::cli {

instruments::CudaPresence find_cuda() {
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) {
    const std::string_view text = visible;
    if (text.empty()) return {false, "CUDA_VISIBLE_DEVICES is empty"};
    if (text.starts_with("-1")) return {false, "CUDA_VISIBLE_DEVICES is -1"};
  }
  std::error_code error;
  const std::filesystem::directory_iterator gpus("/proc/driver/nvidia/gpus", error);
  if (error || gpus == std::filesystem::directory_iterator()) {
    return {false, "the NVIDIA driver lists no GPU"};
  }
  return {true, ""};
}

}  // namespace refute::cli
