#pragma once

// Other people's YAML parsers on the same files. They only parse; refute also checks.

#include <optional>
#include <string>
#include <vector>

namespace refute::bench {

/// Seconds in which libfyaml parses the files to documents, one after another in this process.
/// Nothing when refute_bench was built without libfyaml.
std::optional<double> libfyaml_seconds(const std::vector<std::string>& files);

/// Seconds of a python3 process that loads every *.yaml of the folder with PyYAML's CSafeLoader
/// (libyaml). Nothing when that is not installed.
std::optional<double> pyyaml_seconds(const std::string& folder);

}  // namespace refute::bench
