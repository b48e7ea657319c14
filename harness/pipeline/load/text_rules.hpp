#pragma once

// Rules about single words and texts, without any place.

#include <optional>
#include <string_view>

namespace refute::pipeline {

/// 1.2.3, with an optional -pre.release and +build, as semver.org defines it.
bool is_semantic_version(std::string_view text);

/// A real calendar date, 2028-02-29, possibly followed by `T` or a blank and a time.
bool is_date(std::string_view text);

/// Nothing that could be read: empty, or blanks of any kind, no-break and wide ones among them.
bool is_blank_text(std::string_view text);

/// The text is nothing but TBD, TODO, ???, …, n/a and the like.
bool is_placeholder(std::string_view text);

/// A word TODO, TBD, FIXME or XXX inside a longer text, if there is one.
std::optional<std::string_view> placeholder_word(std::string_view text);

/// Capital words and numbers joined by dashes, the last a number of two digits or more:
/// FALSIFY-CRUX-B-11-004, C-NF4-002.
bool is_claim_id(std::string_view text);

/// Equal but for upper and lower case, with `-` and `_` the same.
bool same_word(std::string_view a, std::string_view b);

std::string_view without_suffix(std::string_view text, std::string_view suffix);

}  // namespace refute::pipeline
