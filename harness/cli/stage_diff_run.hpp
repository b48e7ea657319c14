#pragma once

#include <optional>
#include <string>

namespace refute::cli {

/// What `refute diff` is told about stage files, or folders of them.
struct StageDiffArguments {
  std::string a, b, format = "text";
  std::optional<double> tolerance, relative_tolerance;
  std::size_t top = 0;  ///< 0: the default
  unsigned threads = 1;
  bool across_models = false;
  bool color = false;
};

/// Whether both are APRT files, or one is and the other is not there, or one of them is a capture's
/// folder. Anything else is models.
bool are_stages(const std::string& a, const std::string& b);

/// Opens, compares and prints; returns the exit status.
int run_stage_diff(const StageDiffArguments& arguments);

}  // namespace refute::cli
