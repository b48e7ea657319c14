#pragma once

#include <memory>
#include <string>

#include "harness/worker/context.hpp"
#include "harness/worker/subjects/nf4_subject.hpp"

namespace refute::falsifiers {

/// The NF4 implementation that the job asks for; see fp8_subjects.hpp.
std::unique_ptr<worker::Nf4Subject> nf4_subject_of(worker::Context& context);

/// Somebody's NF4 quantiser behind a subject server. It serves quantize and dequantize; anything
/// else throws.
std::unique_ptr<worker::Nf4Subject> make_nf4_external(const std::string& path, double time_limit_s);

}  // namespace refute::falsifiers
