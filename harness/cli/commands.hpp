#pragma once

#include <span>

#include "harness/cli/command.hpp"

namespace refute::cli {

/// Every command, in the order in which --help lists them.
std::span<const Command* const> commands();

}  // namespace refute::cli
