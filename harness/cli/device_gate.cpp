#include "harness/cli/device_gate.hpp"

#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "kernels/fp8.hpp"

namespace refute::cli {
namespace {

constexpr int kHighestSm = 999;
constexpr const char* kInstead = "without --device it is quantised on the CPU";

/// None: not a number of the kind.
std::optional<int> sm_from(const char* text) {
  if (text == nullptr) return 0;
  const std::string_view digits(text);
  int sm = -1;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), sm);
  const bool whole = problem == std::errc() && end == digits.data() + digits.size();
  return whole && sm >= 0 && sm <= kHighestSm ? std::optional(sm) : std::nullopt;
}

}  // namespace

DeviceRefusal cuda_refusal(bool fp8, const std::string& format, const char* sm_override,
                           const instruments::CudaPresence& cuda) {
  const auto sm = sm_from(sm_override);
  if (!sm) {
    return {
        ExitCode::usage,
        fmt::format("REFUTE_CUDA_SM_OVERRIDE={}: wants 10·major + minor, such as 80", sm_override)};
  }
  if (fp8 && kernels::fp8_gate(*sm) == kernels::Fp8Gate::incapable) {
    return {ExitCode::usage,
            fmt::format("FP8 quantization requires Hopper/Blackwell (sm_90+), detected sm_{}; {}",
                        *sm, kInstead)};
  }
  if (*sm == 0 && !cuda.device) {
    return {ExitCode::incomplete,
            fmt::format("declined: there is no CUDA device ({}); {}", cuda.because, kInstead)};
  }
  return {ExitCode::incomplete,
          fmt::format("declined: there is no CUDA quantiser for {} here; {}", format, kInstead)};
}

}  // namespace refute::cli
