#pragma once

// Names of tensors, chosen by a pattern: `*`, `?` and `[a-z]`, over the whole name.

#include <optional>
#include <string>

namespace refute::instruments {

/// Whether the glob matches the name; an empty one matches all.
bool glob_matches(const std::string& glob, const std::string& name);

/// What is wrong with a glob that would be taken literally and so match nothing: a bracket that is
/// never closed.
std::optional<std::string> glob_problem(const std::string& glob);

}  // namespace refute::instruments
