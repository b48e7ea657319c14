#pragma once

#include <memory>

#include "harness/worker/context.hpp"
#include "harness/worker/subjects/fp8_subject.hpp"

namespace refute::falsifiers {

/// The FP8 implementation that the job asks for: the mutant in the mutant arm, the control in the
/// control arm, somebody's server when a path is given, else one of ours. Throws JobError if there
/// is none of that name.
std::unique_ptr<worker::Fp8Subject> fp8_subject_of(worker::Context& context);

}  // namespace refute::falsifiers
