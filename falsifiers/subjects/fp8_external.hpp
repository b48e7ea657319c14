#pragma once

#include <memory>
#include <string>

#include "harness/worker/subjects/fp8_subject.hpp"

namespace refute::falsifiers {

/// Somebody's FP8 implementation behind a subject server (harness/PROTOCOL.md).
std::unique_ptr<worker::Fp8Subject> make_fp8_external(const std::string& path, double time_limit_s);

}  // namespace refute::falsifiers
