#pragma once

// Stricter than refute::near_miss, which only hints: here being near makes an unknown key an error.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace refute::pipeline {

/// Least number of insertions, deletions, substitutions and swaps of neighbours that turn one word
/// into the other.
int edit_distance(std::string_view a, std::string_view b);

/// The candidate that `word` was probably meant to be, or empty. Near is one edit up to seven
/// letters, two up to twelve, then three; upper and lower case, `-` and `_` count as equal. Of
/// equally near ones the first wins.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);
std::string_view nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "did you mean `x`?" or empty.
std::string did_you_mean(std::string_view suggestion);

}  // namespace refute::pipeline
