#pragma once

// One measured figure, and how it is shown. Times differ from machine to machine; ratios carry
// over, so every figure says what it is compared with.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace refute::bench {

struct Figure {
  std::string what = "";             ///< "encode all f32, cpu_simd"
  std::string result = "";           ///< "0.45 s, 9.5 G values/s"
  std::optional<double> ratio = {};  ///< to what `against` names
  std::string against = "";          ///< "cpu_scalar"
  std::optional<double> goal =
      {};  ///< what the ratio is to stay at or below (with at_least: above)
  bool at_least = false;
};

/// One group of figures: a row of the table in main.cpp.
struct Bench {
  std::string_view name, help;
  std::vector<Figure> (*run)();
};

/// The median of `repeats` runs, in seconds of a steady clock, after one run that warms up.
double median_seconds(int repeats, const std::function<void()>& body);

/// "0.45 s", "3.1 ms", "12 us".
std::string show_seconds(double seconds);

/// Columns wide enough for their content, one line per figure; the last column says whether the
/// goal is met.
std::string render(std::string_view heading, const std::vector<Figure>& figures);

}  // namespace refute::bench
