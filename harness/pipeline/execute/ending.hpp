#pragma once

#include <string>

#include "harness/pipeline/execute/spawn.hpp"

namespace refute::pipeline {

/// How a child ended, as the end of a sentence: "was killed by SIGSEGV (segmentation fault)",
/// "exited with status 3". Only what is the same in every run: no sizes that were measured, no
/// durations.
std::string describe_end(const ChildEnd& end, const Limits& limits);

}  // namespace refute::pipeline
