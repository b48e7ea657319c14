#pragma once

#include <optional>
#include <string>
#include <vector>

namespace refute::cli {

/// What `refute diff` is told about two models.
struct QuantDiffArguments {
  std::string reference, other;         ///< `other` is empty with `as`
  std::string as, scale;                ///< `scale` only with an FP8 format; empty: by tensor
  std::string match, map, svg, format;  ///< an empty format is text
  std::vector<std::string> outputs;     ///< FORMAT=PATH
  std::optional<double> threshold;
  bool thorough = false;
  std::size_t top = 0;
  unsigned threads = 1;
  bool color = false;
};

/// Opens, compares, prints and writes; returns the exit status.
int run_quant_diff(const QuantDiffArguments& arguments);

}  // namespace refute::cli
