#pragma once

// Checks a stretch of an exhaustive sweep against the runs of a monotone codec: as fast as memory
// is read, because a whole run has one code.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace refute::metrics {

/// The first index at which bytes differ from `value`; bytes.size() if none does.
std::size_t first_other_byte(std::span<const std::uint8_t> bytes, std::uint8_t value);

/// codes[i] is what the subject made of the pattern first_pattern + i. Runs are sorted, cover every
/// pattern, and have members first, last (inclusive) and code. The index of the first code that is
/// not its run's, or none.
template <class Run>
std::optional<std::size_t> first_mismatch_against_runs(std::span<const std::uint8_t> codes,
                                                       std::uint32_t first_pattern,
                                                       std::span<const Run> runs) {
  const auto starts_after = [](std::uint64_t pattern, const Run& run) {
    return pattern < run.first;
  };
  auto run = std::upper_bound(runs.begin(), runs.end(), std::uint64_t{first_pattern}, starts_after);
  if (run == runs.begin()) return codes.empty() ? std::nullopt : std::optional<std::size_t>(0);
  --run;
  for (std::size_t i = 0; i < codes.size(); ++run) {
    if (run == runs.end()) return i;
    const std::uint64_t left_in_run =
        std::uint64_t{run->last} + 1 - (std::uint64_t{first_pattern} + i);
    const std::size_t length = std::min<std::uint64_t>(left_in_run, codes.size() - i);
    const std::size_t other = first_other_byte(codes.subspan(i, length), run->code);
    if (other != length) return i + other;
    i += length;
  }
  return std::nullopt;
}

}  // namespace refute::metrics
