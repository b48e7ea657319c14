#pragma once

#include <string>
#include <vector>

namespace refute::bench {

/// Seconds from the spawn of a program (found along PATH) to its end, its output thrown away.
/// Throws std::runtime_error unless it exits with 0: a bench that times failures would be fast.
double process_seconds(const std::vector<std::string>& arguments);

/// The same, several times in a row, sorted.
std::vector<double> process_seconds(const std::vector<std::string>& arguments, int rounds);

}  // namespace refute::bench
