#include "harness/pipeline/execute/environment.hpp"

#include <array>
#include <string_view>

namespace refute::pipeline {
namespace {

struct Inherited {
  std::string_view name,
      otherwise;  ///< `otherwise`: the whole entry where ours has none; empty: left out
};

constexpr std::array<Inherited, 5> kInherited = {{
    {"PATH=", "PATH=/usr/local/bin:/usr/bin:/bin"},
    {"HOME=", ""},
    {"TMPDIR=", "TMPDIR=/tmp"},
    {"CUDA_VISIBLE_DEVICES=", ""},
    {"REFUTE_CUDA_SM_OVERRIDE=", ""},
}};

// MALLOC_PERTURB_ makes a read of memory that nobody wrote wrong every time instead of now and
// then.
constexpr std::array<std::string_view, 5> kFixed = {
    "LANG=C.UTF-8",
    "MALLOC_PERTURB_=165",
    "ASAN_OPTIONS=halt_on_error=1:abort_on_error=1:protect_shadow_gap=0",
    "UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS=halt_on_error=1",
};

std::string_view find(const char* const* ours, std::string_view name) {
  for (; ours != nullptr && *ours != nullptr; ++ours) {
    if (std::string_view(*ours).starts_with(name)) return *ours;
  }
  return "";
}

}  // namespace

std::vector<std::string> worker_environment(const char* const* ours, const std::string& refute) {
  std::vector<std::string> environment(kFixed.begin(), kFixed.end());
  if (!refute.empty()) environment.push_back("REFUTE_COMMAND=" + refute);
  for (const Inherited& row : kInherited) {
    std::string_view entry = find(ours, row.name);
    if (entry.empty()) entry = row.otherwise;
    if (!entry.empty()) environment.emplace_back(entry);
  }
  return environment;
}

}  // namespace refute::pipeline
