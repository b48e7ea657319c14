#include "harness/forward/top_candidates.hpp"

#include <algorithm>
#include <cmath>

namespace refute::forward {

std::vector<Candidate> top_candidates(std::span<const float> logits, std::size_t count) {
  std::vector<Candidate> all;
  all.reserve(logits.size());
  for (const float logit : logits) all.push_back({static_cast<std::uint32_t>(all.size()), logit});
  const auto above = [](const Candidate& a, const Candidate& b) {
    if (std::isnan(a.logit) || std::isnan(b.logit)) {
      if (std::isnan(a.logit) != std::isnan(b.logit)) return std::isnan(b.logit);
      return a.token < b.token;
    }
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(count, all.size()));
  std::partial_sort(all.begin(), end, all.end(), above);
  all.erase(end, all.end());
  return all;
}

}  // namespace refute::forward
