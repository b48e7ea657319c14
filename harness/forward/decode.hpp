#pragma once

// Greedy decoding: at each step the token with the largest logit.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "harness/forward/forward.hpp"
#include "harness/forward/top_candidates.hpp"

namespace refute::forward {

enum class DecodeEnd : std::uint8_t {
  max_tokens,
  end_token,   ///< the last token is one after which the model's config stops
  non_finite,  ///< logits with NaN or infinity decide nothing
};
inline constexpr std::array<std::string_view, 3> kDecodeEndNames = {"max-tokens", "end-token",
                                                                    "non-finite-logits"};
constexpr std::string_view to_string(DecodeEnd e) {
  return kDecodeEndNames[static_cast<std::size_t>(e)];
}

struct DecodeStep {
  std::vector<Candidate> top;  ///< up to five
  std::uint32_t token() const { return top.front().token; }
  /// How far the second is behind: small margins flip with rounding. 0 for a vocabulary of one.
  float margin() const { return top.size() < 2 ? 0 : top[0].logit - top[1].logit; }
};

struct DecodeReport {
  std::vector<DecodeStep> steps;
  DecodeEnd end = DecodeEnd::max_tokens;
  std::size_t non_finite = 0;  ///< logits of the step that could not be taken
};

/// Tokens and path have to pass refuse_tokens(), with max_tokens more positions, and refuse_path().
Result<DecodeReport> decode(const DecoderModel& model, const ExecutionPath& path,
                            std::span<const std::uint32_t> prompt, std::size_t max_tokens);

}  // namespace refute::forward
