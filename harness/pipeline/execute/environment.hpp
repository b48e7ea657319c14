#pragma once

#include <string>
#include <vector>

namespace refute::pipeline {

/// The environment of a worker: what PROTOCOL.md lists, taken from `ours` ("NAME=value", ended by a
/// null pointer, as `environ` is) where it comes from there. Nothing else of ours reaches it,
/// RC_PARAMS least of all. `refute` is the path of the command, for workers that run it; empty:
/// they are not told.
std::vector<std::string> worker_environment(const char* const* ours,
                                            const std::string& refute = "");

}  // namespace refute::pipeline
