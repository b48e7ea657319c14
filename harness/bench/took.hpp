#pragma once

#include <algorithm>
#include <chrono>

#include <time.h>

namespace refute::bench {

/// Seconds on the clock, and seconds of processor time of all threads together. Ratios are taken of
/// the latter, divided by the threads: a neighbour's load must not count as ours.
struct Took {
  double wall = 1e9, processor = 1e9;
};

inline double processor_seconds() {
  timespec t;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Runs the body once, and keeps the shortest of what it took so far.
template <class Body>
void keep_best(Took& best, Body body) {
  const auto start = std::chrono::steady_clock::now();
  const double before = processor_seconds();
  body();
  best.processor = std::min(best.processor, processor_seconds() - before);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  best.wall = std::min(best.wall, wall.count());
}

}  // namespace refute::bench
