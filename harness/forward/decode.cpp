#include "harness/forward/decode.hpp"

#include <algorithm>
#include <cmath>

namespace refute::forward {

Result<DecodeReport> decode(const DecoderModel& model, const ExecutionPath& path,
                            std::span<const std::uint32_t> prompt, std::size_t max_tokens) {
  const std::vector<std::uint32_t>& ends = model.config().end_tokens;
  Forward forward(model, path, prompt.size() + max_tokens);
  DecodeReport report;
  std::vector<std::uint32_t> next(prompt.begin(), prompt.end());
  while (report.steps.size() < max_tokens) {
    if (auto error = forward.step(next)) return *error;
    report.non_finite = static_cast<std::size_t>(
        std::ranges::count_if(forward.logits(), [](float x) { return !std::isfinite(x); }));
    if (report.non_finite != 0) {
      report.end = DecodeEnd::non_finite;
      return report;
    }
    report.steps.push_back({top_candidates(forward.logits(), 5)});
    next = {report.steps.back().token()};
    if (std::ranges::find(ends, next[0]) != ends.end()) {
      report.end = DecodeEnd::end_token;
      return report;
    }
  }
  return report;
}

}  // namespace refute::forward
