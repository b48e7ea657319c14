#pragma once

// For the tests of kernels: runs a body on every instruction set that this CPU offers.

#include <string>

#include "harness/catch.hpp"
#include "kernels/simd.hpp"

namespace refute::kernels {

/// Calls body(name) once per instruction set, with cpu_simd bound to it, and gives the choice back
/// at the end.
template <class Body>
void for_each_simd_target(Body body) {
  REQUIRE_FALSE(simd_targets().empty());
  for (const char* target : simd_targets()) {
    REQUIRE(force_simd_target(target));
    REQUIRE(simd_target() == std::string(target));
    body(std::string("cpu_simd on ") + target);
  }
  force_simd_target("");
}

}  // namespace refute::kernels
