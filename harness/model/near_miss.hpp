#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace refute {

/// How near a word must be to a known one to be taken for it.
enum class Nearness : std::uint8_t {
  worth_a_hint,  ///< the word is wrong anyway: one edit in three letters
  surely_meant,  ///< being near is what makes the word wrong: one edit up to seven letters, two up
                 ///< to twelve, then three, none below three
};

/// The candidate that `word` was probably meant to be, or empty. Upper and lower case, `-`, `_` and
/// space count as equal. Of equally near ones the first wins.
std::string near_miss(std::string_view word, std::span<const std::string_view> candidates,
                      Nearness nearness = Nearness::worth_a_hint);
std::string near_miss(std::string_view word, const std::vector<std::string>& candidates,
                      Nearness nearness = Nearness::worth_a_hint);

/// "did you mean `x`?" or, without a suggestion, empty.
std::string did_you_mean(std::string_view suggestion);

/// Least number of insertions, deletions, substitutions and swaps of neighbours that turn one word
/// into the other; 80 as soon as one is longer than that.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace refute
