#pragma once

// Inputs that follow from a seed, the same to the bit on every machine: the standard library's
// distributions are not.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/metrics/acceptance_format.hpp"

namespace refute::instruments {

/// splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014), and
/// of its 64-bit words about N(0, 1): the sum of twelve uniform numbers of 16 bits, less its mean.
class NormalSource {
 public:
  explicit NormalSource(std::uint64_t seed) : state_(seed) {}

  float next();
  /// `count` of them times `deviation`, each rounded to what `storage` can hold.
  std::vector<float> draw(metrics::Format storage, std::size_t count, float deviation = 1);

 private:
  std::uint64_t bits();

  std::uint64_t state_;
};

}  // namespace refute::instruments
