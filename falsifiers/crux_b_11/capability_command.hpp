#pragma once

#include <optional>

#include "harness/worker/context.hpp"

namespace refute::falsifiers {

/// Runs `refute quantize --format fp8-e4m3 --device cuda`, told that the device has each of the
/// contract's `command_sms`, and looks at how it ends, what it says and what it leaves behind. A
/// verdict when it is wrong. Without a path to refute in REFUTE_COMMAND nothing is run, and the
/// domain stays what it was; else it is live.
std::optional<Verdict> quantize_command_gate(worker::Context& context, int capable_from);

}  // namespace refute::falsifiers
