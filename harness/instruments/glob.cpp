#include "harness/instruments/glob.hpp"

#include <fnmatch.h>

namespace refute::instruments {

bool glob_matches(const std::string& glob, const std::string& name) {
  return glob.empty() || ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
}

std::optional<std::string> glob_problem(const std::string& glob) {
  for (std::size_t at = 0; at < glob.size(); ++at) {
    if (glob[at] == '\\') ++at;
    if (at >= glob.size() || glob[at] != '[') continue;
    std::size_t first = at + 1;
    if (first < glob.size() && (glob[first] == '!' || glob[first] == '^')) ++first;
    // A bracket that comes first stands for itself.
    const std::size_t end = glob.find(']', first + 1);
    if (end == std::string::npos) return "its `[` is never closed; `\\[` stands for the character";
    at = end;
  }
  return std::nullopt;
}

}  // namespace refute::instruments
