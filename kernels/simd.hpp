#pragma once

// Which instruction set cpu_simd runs on. The choice is made once, at the first call, from what the
// CPU offers.

#include <string_view>
#include <vector>

namespace refute::kernels {

/// Name of the instruction set in use, as Highway calls it: "AVX3" (AVX-512), "AVX2", "SSE4",
/// "SSSE3", or, where the CPU has none of them, "SCALAR" (with compilers other than GCC before 12.3
/// "EMU128").
const char* simd_target();

/// The names of all instruction sets that were compiled in and that this CPU can run, best first.
std::vector<const char*> simd_targets();

/// Makes cpu_simd use one of simd_targets(), for tests that compare them; an empty name gives the
/// choice back. False, and nothing changes, when this CPU has no such target. Not while another
/// thread is inside a kernel.
bool force_simd_target(std::string_view name);

}  // namespace refute::kernels
