#include "kernels/simd.hpp"

// The list of targets is the compiler's (HWY_TARGETS), so it is the same in every file that
// dispatches.
#include <hwy/highway.h>

namespace refute::kernels {
namespace {

/// What this CPU can run, asked before anything was forced: a forced choice hides the others.
const std::vector<std::int64_t>& runnable_targets() {
  static const std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  return targets;
}

}  // namespace

const char* simd_target() {
  runnable_targets();
  return hwy::TargetName(hwy::SupportedAndGeneratedTargets().front());
}

std::vector<const char*> simd_targets() {
  std::vector<const char*> names;
  for (const std::int64_t target : runnable_targets()) names.push_back(hwy::TargetName(target));
  return names;
}

bool force_simd_target(std::string_view name) {
  if (name.empty()) {
    hwy::SetSupportedTargetsForTest(0);
    return true;
  }
  for (const std::int64_t target : runnable_targets()) {
    if (name != hwy::TargetName(target)) continue;
    hwy::SetSupportedTargetsForTest(target);
    return true;
  }
  return false;
}

}  // namespace refute::kernels
