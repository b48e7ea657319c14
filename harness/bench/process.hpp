#pragma once

#include <string>
#include <vector>

namespace refute::bench {

struct ProcessTime {
  double wall;       ///< seconds from the spawn to the end
  double processor;  ///< seconds of all its threads, which other programs hardly change
};

/// Times a program (found along PATH), its output thrown away. Throws std::runtime_error unless it
/// exits with 0: a bench that times failures would be fast.
ProcessTime time_process(const std::vector<std::string>& arguments);

/// The same, several times in a row, the quickest first.
std::vector<ProcessTime> time_process(const std::vector<std::string>& arguments, int rounds);

}  // namespace refute::bench
