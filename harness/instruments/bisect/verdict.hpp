#pragma once

// What a bisection concludes. Pure: from what was measured to one kind, one place and the reasons.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/forward/config_difference.hpp"
#include "harness/instruments/bisect/end.hpp"
#include "harness/instruments/bisect/stage_row.hpp"
#include "harness/model/exit_code.hpp"

namespace refute::bisect {

enum class VerdictKind : std::uint8_t {
  wrong_config,    ///< the two ends' models are described differently, and so compute differently
  wrong_stage,     ///< the bad end makes an error at one stage that its arithmetic does not explain
  wrong_good,      ///< the good end does, and the bad end does not
  wrong_weights,   ///< stored weights are further from the original than their format makes them
  not_repeatable,  ///< one end gives other bits when it is run again
  noise,           ///< every stage is at or below its floor, and that explains what is apart
  other_run,       ///< what was measured does not show the symptom that was named
  not_judged,      ///< nothing is above its floor, and something could not be judged, or the ends
                   ///< are further apart than noise of the predicted size makes them
};
inline constexpr std::array<std::string_view, 8> kVerdictNames = {
    "wrong-config",   "wrong-stage", "wrong-good-end", "wrong-weights",
    "not-repeatable", "noise",       "other-run",      "not-judged"};
constexpr std::string_view to_string(VerdictKind k) {
  return kVerdictNames[static_cast<std::size_t>(k)];
}
ExitCode exit_code(VerdictKind kind);

/// What the two ends say next, and where they part.
struct Symptom {
  Decision good, bad;                     ///< after the same tokens
  Decision first;                         ///< the bad end's, right after the prompt
  std::vector<std::uint32_t> common;      ///< tokens that both decoded before that
  bool known = true;                      ///< false: no logits, as in a capture without lm_head
  std::optional<std::uint32_t> reported;  ///< the failing run's token after the prompt

  bool differs() const;
  /// Whether the bad end decides what was reported, if anything was, right after the prompt.
  bool reproduced() const;
};

/// A token that the model does not have was said by no run of it.
std::optional<Error> refuse_reported(std::optional<std::uint32_t> reported,
                                     const DecoderConfig& config);

struct Verdict {
  VerdictKind kind = VerdictKind::not_judged;
  std::optional<StageAt> at;     ///< the stage, where one stage is what is wrong
  bool only_in_place = false;    ///< the unit is right on given inputs and wrong in its own run
  std::string headline;          ///< one line
  std::vector<std::string> why;  ///< sentences
  std::vector<forward::ConfigDifference> config{};  ///< of the good and the bad end's model
};

struct Evidence {
  const Symptom& symptom;
  const std::vector<StageRow>& rows;
  std::optional<StageAt> good_unrepeated, bad_unrepeated;
  /// Replicas of noise of the predicted size, and how many of them decide otherwise than the
  /// reference.
  std::size_t replicas = 0, flips = 0;
  bool with_model = true;  ///< false: captures alone, of which nothing can be judged
};

/// An end is further from the reference on its own weights than rounding makes it, although every
/// stage that could be judged keeps its floor. Replicas show what rounding becomes on its way
/// through the model, chaotic or not. They differ among themselves, and real errors have a
/// direction of their own, so only a multiple of the largest is more than noise: healthy runs of
/// every format and arithmetic stayed below twice it. What other weights make is no part of it: the
/// reference on those has it too, and the weights themselves are judged by their format.
inline constexpr double kUnexplained = 30;
bool unexplained(const StageRow& row);
/// How many times further than rounding makes the worse of the two ends; 0: not known.
double times_predicted(const StageRow& row);

/// What the two ends decide, in a sentence.
std::string decision_text(const Evidence& evidence);
/// Of two ends whose models are described alike.
Verdict conclude(const Evidence& evidence);

}  // namespace refute::bisect
