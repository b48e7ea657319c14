#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace refute::forward {

struct Candidate {
  std::uint32_t token = 0;
  float logit = 0;
  bool operator==(const Candidate&) const = default;
};

/// The tokens with the largest logits, largest first; of equal ones the lower token. NaN is below
/// everything, so whoever decides by this has to count them first.
std::vector<Candidate> top_candidates(std::span<const float> logits, std::size_t count);

}  // namespace refute::forward
